"""One device's thread: at every turn it gathers what all live pictures ask, answers it and lets them go on.

A picture joins at the next step after it was submitted. Pictures of all users share the calls; when they do
not fit into one, users take turns. It knows jobs and models; not who submits, nor where pictures are kept.
"""

import logging
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from engine.background import Lanes
from engine.batch import denoise_all
from engine.budget import RowBudget
from engine.events import Cancelled, Ending, Queued
from engine.failure import drawing_failed, loading_failed
from engine.job import Job
from engine.line import Line
from engine.pace import Account, Pace
from engine.picture import Picture
from engine.shelf import Loaded, Shelf
from engine.turns import Turns
from pipelines import to_images

PREVIEW_EVERY = 0.5  # seconds
PREVIEW_SIDE = 384  # pixels, the longer side
TELL_EVERY = 1.0  # seconds between estimates told to those who wait

log = logging.getLogger(__name__)


class Worker:
    """Runs until ``close``. ``line`` is shared with whoever submits and is only touched holding ``changed``.

    ``finish(picture, pixels)`` gets each finished picture; ``end(job, ending)`` every other ending of a job.
    While nothing is drawn, ``lanes`` go on, one step between two looks at the line.
    """

    def __init__(
        self,
        line: Line,
        shelf: Shelf,
        budget: RowBudget,
        changed: threading.Condition,
        finish: Callable[[Picture, Tensor], None],
        end: Callable[[Job, Ending], None],
        lanes: Lanes,
    ) -> None:
        self._line = line
        self._shelf = shelf
        self._budget = budget
        self._changed = changed
        self._finish = finish
        self._end = end
        self._lanes = lanes
        self._live: list[Picture] = []
        self._accounts: dict[str, Account] = {}  # by job id
        self._pace = Pace()  # of all steps together
        self._turns = Turns(budget)
        self._told = float("-inf")
        self._nudged = False
        self._closing = False
        self._preparer = ThreadPoolExecutor(1, thread_name_prefix="atelier-preparer")
        self._thread = threading.Thread(target=self._run, name="atelier-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def nudge(self) -> None:
        """Look again: something was submitted, cancelled or loaded."""
        with self._changed:
            self._nudged = True
            self._changed.notify_all()

    def drawing(self) -> set[str]:
        """The names of the models that pictures are drawn with now."""
        return {picture.job.recipe.loads for picture in tuple(self._live) if not picture.job.ended}

    def close(self) -> None:
        """Stop after the turn that runs. Jobs are left as they are."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._preparer.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        with torch.inference_mode():
            busy = False
            while True:
                with self._changed:
                    self._changed.wait_for(lambda busy=busy: busy or self._nudged or self._closing)
                    if self._nudged:
                        self._told = float("-inf")
                    self._nudged = False
                    if self._closing:
                        return
                try:
                    busy = self._take_turn() or self._lanes.step()
                except Exception as error:  # a fault of ours must not leave everybody waiting for ever
                    _log("A turn", error)
                    for job in {picture.job for picture in self._live}:
                        self._fail(job, error)
                    busy = False

    def _take_turn(self) -> bool:
        """Start what may start and make one step; returns whether there was anything to draw."""
        self._drop_stopped()
        while (picture := self._next()) is not None:
            self._account(picture)
            self._go_on(picture, None)
        self._tell_waiting()
        chosen = self._turns.choose([picture for picture in self._live if picture.ready])
        if chosen:
            self._answer(chosen)
        return bool(chosen)

    # Who draws

    def _drop_stopped(self) -> None:
        """Cancelled jobs, and those that ended elsewhere because a picture could not be saved."""
        with self._changed:
            jobs = {*self._line, *(picture.job for picture in self._live)}
        for job in jobs:
            if job.cancelling or job.ended:
                self._close_job(job, Cancelled())  # which an ended job does not notice

    def _next(self) -> Picture | None:
        """The next picture that may start now, taken out of the line."""
        with self._changed:
            for job in self._line.heads():
                if job.ended or not self._turns.room_for(job.user, self._live):
                    continue
                if (model := self._model_for(job)) is None:
                    continue
                try:
                    picture = Picture(job, job.begun, job.each[job.begun], model, self._beside)
                except Exception as error:  # a recipe that the model cannot draw, a file that it names
                    self._fail(job, error)
                    continue
                job.begun += 1
                if job.begun == job.recipe.count:
                    self._line.remove(job)
                self._line.served(job.user)
                self._live.append(picture)
                return picture
        return None

    def _model_for(self, job: Job) -> Loaded | None:
        """The job's model, or None if it is still loading. If it cannot be loaded, all who want it fail."""
        name = job.recipe.loads
        try:
            model = self._shelf.take(name)
        except Exception as error:  # whatever a broken checkpoint raises
            _log("A model's loading", error)
            for other in [other for other in self._line if other.recipe.loads == name]:
                self._close_job(other, loading_failed(name, error))
            return None
        if model is None and job.begun == 0 and job.state != "loading":
            job.tell(job.event, "loading")
        return model

    # Drawing

    def _answer(self, pictures: list[Picture]) -> None:
        by_model: dict[int, list[Picture]] = defaultdict(list)
        for picture in pictures:
            by_model[id(picture.model)].append(picture)
        before = {job_id: account.step for job_id, account in self._accounts.items()}
        started = time.monotonic()
        for group in by_model.values():
            asks = [ask for picture in group for ask in picture.asks]
            answers = iter(denoise_all(group[0].model.parts, asks, self._budget))
            for picture, got in [(picture, [next(answers) for _ in picture.asks]) for picture in group]:
                fault = next((answer for answer in got if isinstance(answer, Exception)), None)
                if fault is not None:
                    self._fail(picture.job, fault, picture)
                elif not picture.job.ended:  # a picture before this one may have failed the job
                    self._go_on(picture, tuple(answer for answer in got if isinstance(answer, Tensor)))
        self._report(before, {picture.job.id for picture in pictures}, started)

    def _go_on(self, picture: Picture, answers: tuple[Tensor, ...] | None) -> None:
        try:
            pixels = picture.go_on(answers)
        except Exception as error:  # a pipeline's fault is its own job's
            self._fail(picture.job, error, picture)
            return
        self._accounts[picture.job.id].pictures[picture.index] = (picture.step, picture.of)
        if pixels is not None:
            self._live.remove(picture)
            self._finish(picture, pixels)

    def _beside(self, do: Callable[[], Any]) -> Future[Any]:
        """Prepare a picture's material while others are drawn."""
        future = self._preparer.submit(do)
        future.add_done_callback(lambda _: self.nudge())
        return future

    def _account(self, picture: Picture) -> None:
        job = picture.job
        if job.id not in self._accounts:
            self._accounts[job.id] = Account(job, time.monotonic())
            job.tell(self._accounts[job.id].progress())

    def _report(self, before: dict[str, int], job_ids: set[str], started: float) -> None:
        now = time.monotonic()
        self._pace.note(
            sum(a.step - before[i] for i, a in self._accounts.items() if i in before), now - started
        )
        for job_id in job_ids & self._accounts.keys():
            account = self._accounts[job_id]
            account.note(before[job_id], now)
            try:
                self._preview(account, now)
            except Exception as error:
                self._fail(account.job, error)
            account.job.tell(account.progress())
        drawing = {picture.job.id for picture in self._live}
        with self._changed:
            drawing |= {job.id for job in self._line}
        self._accounts = {job_id: a for job_id, a in self._accounts.items() if job_id in drawing}

    def _preview(self, account: Account, now: float) -> None:
        if not account.job.followed or now - account.preview_at < PREVIEW_EVERY:
            return
        for picture in self._live:
            if picture.job is account.job and picture.estimate is not None:
                [image] = to_images(picture.model.parts.preview(picture.estimate))
                account.preview = _enlarged(image, picture.recipe.width, picture.recipe.height)
                account.preview_at = now
                return

    def _tell_waiting(self) -> None:
        """Tell those who wait how many go first and when they will be done."""
        now = time.monotonic()
        if now - self._told < TELL_EVERY:
            return
        self._told = now
        with self._changed:
            waiting = [job for job in self._line if job.begun == 0]
            ahead = sum(account.of - account.step for account in self._accounts.values())
        for position, job in enumerate(waiting):
            ahead += sum(job.recipe.passes()) * job.recipe.count
            job.tell(
                Queued(position, self._pace.eta(ahead)), "loading" if job.state == "loading" else "queued"
            )

    # Endings

    def _fail(self, job: Job, error: Exception, picture: Picture | None = None) -> None:
        _log(f"Job {job.id}", error)
        step, of = (picture.step, picture.of) if picture else (None, None)
        self._close_job(job, drawing_failed(error, step, of))

    def _close_job(self, job: Job, ending: Ending) -> None:
        self._live = [picture for picture in self._live if picture.job is not job]
        self._accounts.pop(job.id, None)
        with self._changed:
            self._line.remove(job)
            self._nudged = True  # whoever stood behind it may start now
        self._end(job, ending)


def _log(what: str, error: Exception) -> None:
    # Frames only: an exception's message may quote a prompt.
    frames = "".join(traceback.format_tb(error.__traceback__))
    level = logging.INFO if isinstance(error, ValueError) else logging.WARNING  # the former tell the user
    log.log(level, "%s failed: %s\n%s", what, type(error).__name__, frames)


def _enlarged(image: Image.Image, width: int, height: int) -> Image.Image:
    scale = min(1.0, PREVIEW_SIDE / max(width, height))
    return image.resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC)
