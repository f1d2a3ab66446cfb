"""Where jobs are started, watched and stopped, and their pictures shown: each tab that draws has one.

The engine owns the jobs; closing the page stops none. The browser keeps the job's unguessable id, so that a
reload or a lost connection finds the job again. How pictures are drawn or stored is not known here, nor what
a recipe is read from.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr
from gradio.blocks import Block, BlockContext
from gradio.components import Component

from engine import Engine, Event, Job, Progress, Queued
from gallery import Entry, Gallery
from pipelines.recipe import Recipe
from ui import show

RESTARTED = (
    "The studio was restarted. If your last picture was finished, it is in the Gallery; "
    "if not, generate it again."
)
RECONNECT = 3.0  # seconds between looks whether a lost watch must be taken up again
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

Updates = dict[Block, Any]


class Watch:
    """Components and listeners. ``kept`` is the browser's memory of this place; it holds "job", "ended" and
    "seed", which this class writes. ``edits``: whether its jobs are those with an edit, or the others.
    """

    def __init__(
        self, engine: Engine, gallery: Gallery, kept: gr.BrowserState, edits: bool = False, prefix: str = ""
    ) -> None:
        self._engine = engine
        self._gallery = gallery
        self._kept = kept
        self._edits = edits
        self._prefix = prefix
        self._idle = show.IDLE_EDIT if edits else show.IDLE

    # The layout: each of these is called where it is to stand

    def buttons(self) -> None:
        name = self._prefix
        self.generate = gr.Button("Generate", variant="primary", size="lg", elem_id=f"{name}generate")
        self.interrupt = gr.Button(
            "Interrupt", variant="stop", size="lg", elem_id=f"{name}interrupt", visible=False
        )
        self.notice = gr.HTML(elem_id=f"{name}notice")

    def pictures(self, height: str) -> None:
        name = self._prefix
        self._stage = gr.HTML(self._idle, elem_id=f"{name}stage")
        self._results = gr.Gallery(
            elem_id=f"{name}results", label="Results", show_label=False, visible=False, preview=True,
            columns=4, object_fit="contain", height=height, interactive=False,
            buttons=["download", "fullscreen"],
        )  # fmt: skip
        self._caption = gr.HTML(elem_id=f"{name}caption")
        self.after = gr.Row(visible=False, elem_id=f"{name}after", elem_classes="after")  # beside results
        self.picked = gr.State("")  # the id of the entry that is looked at
        self._job = gr.State("")  # the id of the job this page watches
        self._shown = gr.State([])  # the ids of the entries in the results
        self._pulse = gr.Timer(RECONNECT, active=False)

    @property
    def outputs(self) -> list[Component | BlockContext]:
        """What the listeners change."""
        return [
            self._stage, self._results, self._caption, self.after, self.notice, self.generate, self.interrupt,
            self._job, self._shown, self.picked, self._pulse, self._kept,
        ]  # fmt: skip

    def tell_again(self, tab: gr.Tab) -> None:
        """For a tab that is not the first: whenever it is looked at."""
        tab.select(self._again, [self._job], self.outputs, **QUIET)

    def listen(self) -> None:
        kept = self._kept
        self.interrupt.click(self._stop, [self._job], [self.interrupt], **QUIET)
        watched = gr.on(
            [self._job.change, self._pulse.tick], self._watch, [self._job], self.outputs,
            trigger_mode="once", concurrency_limit=None, **QUIET,
        )  # fmt: skip
        watched.success(None, [kept], [kept], js="(kept) => ({...kept, ended: kept.job})", **QUIET)
        looked = [self._caption, self.picked, kept]
        self._results.select(self._look, [self._shown, kept], looked, **QUIET)

    # What the listeners do

    def open(self, memory: dict[str, Any], visitor: str) -> Updates:
        """A page opened or reloaded, whose ``memory`` is to be kept: the job it was watching, if any."""
        watched = str(memory.get("job", ""))
        job = self._to_show(watched, visitor)
        if job is None:
            lost = bool(watched) and memory.get("ended") != watched
            said = show.notice(RESTARTED) if lost else ""
            return {**self._nothing(), self.notice: said, self._kept: memory | {"job": ""}}
        return {**self._state(job, job.event), self._job: job.id, self._kept: memory | {"job": job.id}}

    def start(self, job: Job, memory: dict[str, Any]) -> Updates:
        """A job was submitted: watch it."""
        return {
            **self._state(job, job.event),
            self._job: job.id,
            self.notice: "",
            self._kept: memory | {"job": job.id} | _seed_of(job.recipe),
        }

    def _to_show(self, watched: str, visitor: str) -> Job | None:
        """The kept job while it is open; else the visitor's newest that is (of another page); else it."""
        kept = self._engine.job(watched)
        if kept is not None and not kept.ended:
            return kept
        in_the_making = [
            job
            for job in self._engine.jobs(visitor)
            if not job.ended
            and (job.recipe.edit is not None or job.recipe.upscale is not None) == self._edits
        ]
        return in_the_making[-1] if in_the_making else kept

    def _watch(self, job_id: str) -> Iterator[Updates]:
        """Show a job's events until it ends. The page may go at any time; the job goes on."""
        job = self._engine.job(job_id)
        if job is None:
            if job_id:
                yield {**self._resting(), self._stage: self._idle, self.notice: show.notice(RESTARTED)}
            return
        for event in job.events():
            yield self._state(job, event)

    def _stop(self, job_id: str) -> Updates:
        job = self._engine.job(job_id)
        if job is not None:
            job.cancel()
        return {self.interrupt: gr.update(value="Stopping…", interactive=False)}

    def _look(self, picked: gr.SelectData, shown: list[str], kept: dict[str, Any]) -> Updates:
        """Another of the results is looked at: its own seed is shown, and is what ♻️ takes over."""
        index = picked.index if isinstance(picked.index, int) else 0
        entry = self._gallery.get(shown[index]) if index < len(shown) else None
        if entry is None or entry.recipe is None:
            return {self._caption: ""}
        memory = kept | _seed_of(entry.recipe)
        return {
            self._caption: show.caption(entry.recipe, entry.width, entry.height),
            self.picked: entry.id,
            self._kept: memory,
        }

    def _again(self, job_id: str) -> Updates:
        """The tab is looked at: what reached its components before they were there is said once more."""
        job = self._engine.job(job_id)
        if job is None:
            return {self._caption: gr.skip()} if job_id else self._nothing()  # Gradio takes no empty dict
        return self._state(job, job.event)

    # How a job looks

    def _state(self, job: Job, event: Event) -> Updates:
        if isinstance(event, Queued | Progress):
            return {
                self._stage: gr.update(value=show.stage(job, event), visible=True),
                self._results: gr.update(visible=False),
                self._caption: "",
                self.after: gr.update(visible=False),
                self.generate: gr.update(visible=False),
                self.interrupt: _stopping() if job.cancelling else _stoppable(),
                self._pulse: gr.Timer(active=True),
            }
        return {**self._resting(), **self._finished(job, event)}

    def _finished(self, job: Job, event: Event) -> Updates:
        """The pictures that were finished, with a word on why not all; else the stage says how it ended."""
        if not job.entries:
            return {self._stage: gr.update(value=show.stage(job, event), visible=True)}
        entries = [entry for entry in job.entries if self._still_there(entry)]
        if not entries:
            return {self._stage: gr.update(value=self._idle, visible=True)}
        pictures = [(str(entry.path), job.recipe.prompt) for entry in entries]
        first = entries[0]
        return {
            self._stage: gr.update(visible=False),
            self.notice: show.stopped_early(job, event) + "".join(map(show.hint, self._engine.notes(job))),
            self._results: gr.update(value=pictures, visible=True, selected_index=0),
            self._caption: show.caption(first.recipe or job.recipe, first.width, first.height),
            self.after: gr.update(visible=True),
            self._shown: [entry.id for entry in entries],
            self.picked: entries[0].id,
        }

    def _still_there(self, entry: Entry) -> bool:
        """Whether a picture of a job was not deleted since."""
        return self._gallery.get(entry.id) is not None and entry.path.is_file()

    def _nothing(self) -> Updates:
        """As it begins. Said in full: a tab that was not looked at yet shows nothing of what is left out."""
        return {
            **self._resting(),
            self._stage: gr.update(value=self._idle, visible=True),
            self._results: gr.update(visible=False),
            self.after: gr.update(visible=False),
        }

    def _resting(self) -> Updates:
        return {
            self.generate: gr.update(visible=True, value="Generate"),
            self.interrupt: gr.update(visible=False),
            self._pulse: gr.Timer(active=False),
        }


def _seed_of(recipe: Recipe) -> dict[str, int]:
    """What the browser keeps of it; an upscale has none."""
    return {} if recipe.upscale is not None else {"seed": recipe.seed}


def _stoppable() -> Mapping[str, Any]:
    return gr.update(visible=True, value="Interrupt", interactive=True)


def _stopping() -> Mapping[str, Any]:
    return gr.update(visible=True, value="Stopping…", interactive=False)
