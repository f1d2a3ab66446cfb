"""The engine: takes recipes, owns the jobs, and keeps what they make. It knows no widgets and no networks.

``Engine`` is safe to call from any thread. Drawing happens in its worker's thread, loading models and saving
pictures in threads of their own.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from adapters import ControlNetFolder, EmbeddingFolder, IpAdapterFolder, LoraFolder, UpscalerFolder
from engine.background import Background, Lanes, Stepping
from engine.budget import RowBudget
from engine.events import Cancelled, Done, Ending, Queued
from engine.failure import saving_failed
from engine.job import Job
from engine.line import Line, QueueFull
from engine.picture import Picture
from engine.shelf import Shelf
from engine.wordbook import styles_in
from engine.worker import Worker
from gallery import Gallery
from models import Parts, load, with_vae
from pipelines import Folders, to_images
from pipelines.counted import Counted, counted
from pipelines.materials import Pictures
from pipelines.prompt import Style, Wildcards
from pipelines.recipe import Recipe
from pipelines.texts import worded


class Engine:
    """Draws the recipes of many users at once on one device.

    ``models`` loads a model by its name. ``gallery`` keeps every picture before its job is done; without one,
    jobs give PIL images. ``rows`` fixes how many rows one U-Net call carries; None finds it by measuring.
    ``wildcards`` are the lines that ``__name__`` in a prompt stands for, ``loras`` what ``<lora:name>`` does,
    ``embeddings`` what their names do; ``controlnets``, ``ip_adapters`` and ``pictures`` are those that a
    recipe may name, the last the gallery's if not given.
    ``styles`` is a file of words to put around a prompt, as ``styles.csv`` of AUTOMATIC1111;
    ``vaes`` gives a model another VAE by its name.
    """

    def __init__(
        self,
        models: Callable[[str], Parts] = load,
        gallery: Gallery | None = None,
        *,
        rows: int | None = None,
        wildcards: Wildcards | None = None,
        loras: LoraFolder | None = None,
        controlnets: ControlNetFolder | None = None,
        embeddings: EmbeddingFolder | None = None,
        pictures: Pictures | None = None,
        ip_adapters: IpAdapterFolder | None = None,
        upscalers: UpscalerFolder | None = None,
        styles: Path | None = None,
        vaes: Callable[[Parts, str], Parts] = with_vae,
        most_jobs: int = 100,  # fewer than the page has threads, as each watcher holds one
        most_jobs_per_user: int = 8,
        ended_kept: int = 200,
        models_kept: int = 2,
    ) -> None:
        self._gallery = gallery
        self._wildcards: Wildcards = wildcards or {}
        self._loras, self._controlnets, self._styles = loras, controlnets, styles
        self._ip_adapters, self._upscalers = ip_adapters, upscalers
        self._most_jobs = most_jobs
        self._most_jobs_per_user = most_jobs_per_user
        self._ended_kept = ended_kept
        self._changed = threading.Condition()
        self._line = Line()
        self._open: dict[str, Job] = {}  # by id: waiting or drawing
        self._ended: OrderedDict[str, Job] = OrderedDict()
        self._works: OrderedDict[str, Background] = OrderedDict()  # by id: open, and ended ones
        self._lanes = Lanes(self._end_work)
        self._closed = False
        self._saver = ThreadPoolExecutor(1, thread_name_prefix="atelier-saver")
        if pictures is None:
            pictures = gallery.inputs if gallery is not None else {}
        folders = Folders(loras, controlnets, embeddings, pictures, ip_adapters, upscalers)
        self._shelf = Shelf(models, models_kept, self._nudge, folders, lambda: self._worker.drawing(), vaes)
        self._worker = Worker(
            self._line, self._shelf, RowBudget(rows), self._changed, self._finish, self._end, self._lanes
        )

    def start(self) -> Self:
        """Begin to draw. Jobs may be submitted before."""
        self._worker.start()
        return self

    def close(self) -> None:
        """Stop after the step that runs; jobs that are not done become cancelled. Saving is finished."""
        with self._changed:
            self._closed = True
        self._worker.close()
        self._lanes.close()
        self._saver.shutdown(wait=True)
        for job in list(self._open.values()):
            self._end(job, Cancelled())
        self._shelf.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, recipe: Recipe, user: str = "local") -> Job:
        """Put a recipe in line.

        Raises ``RecipeError`` if it names a wildcard that is not there, or if its model is loaded and cannot
        draw it (if it is not, the job fails then), ``QueueFull`` if too many jobs are open, and
        ``RuntimeError`` after ``close``.
        """
        plain = recipe.each()
        each = tuple(worded(one, self._wildcards) for one in plain)
        if (model := self._shelf.peek(recipe.loads)) is not None:
            for one in each if each != plain else (recipe,):
                try:
                    model.check(one)
                except ValueError:
                    raise
                except Exception:  # no word for a user: the job fails of it, alone, and the log has it
                    break
        with self._changed:
            if self._closed:
                raise RuntimeError("The engine is closed.")
            self._refuse_if_full(user)
            job = Job(recipe, user, self._stop, each)
            self._open[job.id] = job
            job.tell(Queued(len(self._line)))
            self._line.add(job)
        self._shelf.want(recipe.loads)
        self._nudge()
        return job

    def job(self, job_id: str) -> Job | None:
        """The job with this id, open or among the newest ended ones. Whoever has the id may follow it."""
        with self._changed:
            return self._open.get(job_id) or self._ended.get(job_id)

    def jobs(self, user: str) -> list[Job]:
        """The user's jobs, oldest first: those that ended lately, then the open ones."""
        with self._changed:
            return [job for job in (*self._ended.values(), *self._open.values()) if job.user == user]

    def work(
        self, steps: Generator[Stepping, None, Any], title: str, user: str = "local", lane: str = "lab"
    ) -> Background:
        """Let ``steps`` go on whenever nothing is drawn, after what else is in its ``lane``.

        Cancelled, or at ``close``, it is closed where it stands. Raises ``QueueFull`` if too much is open,
        and ``RuntimeError`` after ``close``.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("The engine is closed.")
            work = Background(steps, title, user, lane, lambda _: self._nudge())
            self._lanes.add(work)
            self._works[work.id] = work
            for old in [w for w in self._works.values() if w.ended][: -self._ended_kept]:
                del self._works[old.id]
        self._nudge()
        return work

    def works(self, user: str) -> list[Background]:
        """The user's background work, oldest first: open, and ended lately."""
        with self._changed:
            return [work for work in self._works.values() if work.user == user]

    def work_of(self, work_id: str) -> Background | None:
        """The work with this id, open or ended lately. Whoever has the id may follow it."""
        with self._changed:
            return self._works.get(work_id)

    def counted(self, model: str, text: str, joins: bool) -> Counted:
        """How long a prompt (which ``joins`` by AND) or negative prompt is, if ``model`` is loaded, and what
        seems wrong with it."""
        loaded = self._shelf.peek(model)
        if loaded is None:
            return counted(text, joins, self._wildcards, None)
        return loaded.counted(text, joins, self._wildcards)

    def loras(self) -> tuple[str, ...]:
        """The names of those that are there now."""
        return () if self._loras is None else tuple(self._loras)

    def controlnets(self) -> tuple[str, ...]:
        """The names of those that are there now."""
        return () if self._controlnets is None else tuple(self._controlnets)

    def ip_adapters(self) -> tuple[str, ...]:
        """The names of those that are there now."""
        return () if self._ip_adapters is None else tuple(self._ip_adapters)

    def upscalers(self) -> tuple[str, ...]:
        """The names of those that are there now."""
        return () if self._upscalers is None else tuple(self._upscalers)

    def styles(self) -> tuple[Style, ...]:
        """Those of the file as it is now. Raises ``ValueError`` where it cannot be read."""
        return () if self._styles is None else styles_in(self._styles)

    def preload(self, model: str) -> None:
        """Begin to load a model, so that the first picture need not wait for it. Returns at once."""
        self._shelf.want(model)

    def reload(self, model: str) -> None:
        """Load a model anew when it is wanted next, as it would be another now; what it draws goes on."""
        self._shelf.drop(model)

    def loaded(self, model: str) -> Parts | None:
        """The model if it is loaded now."""
        loaded = self._shelf.peek(model)
        return loaded and loaded.parts

    def notes(self, job: Job) -> tuple[str, ...]:
        """What a person should know of a job's pictures: what was guessed of its model, how much of each LoRA
        was applied. Nothing once the model is no longer loaded."""
        said: list[str] = []
        loaded = self._shelf.peek(job.recipe.loads)
        if loaded is not None and job.recipe.upscale is None:
            with suppress(ValueError):  # a file that is gone since
                for one in job.each:
                    said += loaded.notes(one)
        return tuple(dict.fromkeys(said))

    def _refuse_if_full(self, user: str) -> None:
        mine = sum(job.user == user for job in self._open.values())
        if mine >= self._most_jobs_per_user:
            raise QueueFull(
                f"You have {mine} jobs in the making, and {self._most_jobs_per_user} are allowed at once. "
                "Wait until one is done, or cancel one."
            )
        if len(self._open) >= self._most_jobs:
            raise QueueFull(
                f"The studio is full: {len(self._open)} jobs are in line, and {self._most_jobs} are allowed. "
                "Please try again in a minute."
            )

    def _nudge(self) -> None:
        self._worker.nudge()

    def _stop(self, job: Job) -> None:
        with self._changed:
            if job.begun == 0 and self._line.remove(job):
                self._end(job, Cancelled())
        self._nudge()  # whoever stood behind it may start now

    def _end(self, job: Job, ending: Ending) -> None:
        with self._changed:
            if not job.tell(ending):
                return
            self._open.pop(job.id, None)
            self._ended[job.id] = job
            while len(self._ended) > self._ended_kept:
                self._ended.popitem(last=False)

    def _end_work(self, work: Background, ending: Ending) -> None:
        work.tell(ending)

    def _finish(self, picture: Picture, pixels: Tensor) -> None:
        self._saver.submit(self._save, picture.job, picture.index, picture.made, pixels)

    def _save(self, job: Job, index: int, recipe: Recipe, pixels: Tensor) -> None:
        """Keep one picture; the last of a job ends it. Runs in the saver's thread."""
        try:
            [image] = to_images(pixels)
            entry: Any = image if self._gallery is None else self._gallery.add(image, recipe)
        except Exception as error:  # whatever the disk or the index raises: the job must end
            self._end(job, saving_failed(error))
            self._nudge()  # the worker drops the job's other pictures
            return
        if job.keep(index, entry, recipe):
            self._end(job, Done(job.entries))
