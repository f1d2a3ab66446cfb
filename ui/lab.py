"""The Lab tab: train small generative models from nothing, watch them learn, compare them, draw with them.

The engine advances the training while nothing is drawn; ``training/sessions.py`` keeps what is made. The
browser keeps the unguessable ids of its sessions, so that a reload finds them again.
"""

import shutil
import time
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block

from engine import Background, Catalogue, Engine, QueueFull
from training.data.datasets import DATASETS
from training.families import FAMILIES
from training.sessions import PAGE, Session, begin, read
from ui import lab_show, show
from ui.create import Create
from ui.lab_draw import LabDraw
from ui.watch import QUIET

LOOK = 1.0  # seconds between looks at what is trained
KEPT = 20  # sessions that a browser remembers
COMPARING = "comparison"
KINDS = {
    "diffusion": "Diffusion and score models",
    "autoencoder": "Autoencoders",
    "adversarial": "Adversarial networks",
    "flow": "Normalising flows",
    "autoregressive": "Autoregressive models",
    "energy": "Energy-based models",
}
FIRST = ("flow", "vae")  # chosen at first
GONE = "That training is not there any more."
SHOW = "() => innerWidth <= 860 && document.getElementById('lab-stage')?.scrollIntoView({behavior: 'smooth'})"
INTRO = (
    "Train small models from nothing, on the same pictures and for the same time, and see them compared. "
    "Training goes on whenever nothing is drawn, and after this page is closed."
)
Updates = dict[Block, Any]


class Lab:
    """The tab's components and listeners. ``folder`` keeps the sessions; ``kept`` is the browser's memory.

    ``catalogue`` takes what is sent to ``create``; None where the page may not change which models there are.
    """

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        kept: gr.BrowserState,
        tab: gr.Tab,
        create: Create,
        tabs: gr.Tabs,
        catalogue: Catalogue | None,
    ) -> None:
        self._create, self._tabs, self._catalogue = create, tabs, catalogue
        self._engine, self._folder, self._kept = engine, folder, kept
        self.exports.mkdir(parents=True, exist_ok=True)
        with gr.Row(elem_id="lab"):
            with gr.Column(elem_id="lab-ask"):
                self._ask()
            with gr.Column(elem_id="lab-seen"):
                self._see()
        self._session = gr.State("")
        self._told = gr.State("")  # what the page shows now: the same is not sent again
        self._pulse = gr.Timer(LOOK, active=False)
        self._listen(tab)

    @property
    def exports(self) -> Path:
        """The only folder below the lab's that is served."""
        return self._folder / "exports"

    # The layout

    def _ask(self) -> None:
        gr.HTML(show.hint(INTRO))
        self._data = gr.Radio([(name.capitalize(), name) for name in DATASETS], value=next(iter(DATASETS)),
                              label="Pictures", elem_id="lab-data")  # fmt: skip
        self._minutes = gr.Number(1, label="Minutes of training for each", minimum=0.01, maximum=600,
                                  step=0.1, elem_id="lab-minutes")  # fmt: skip
        self._train = gr.Button("Train", variant="primary", size="lg", elem_id="lab-train")
        self._stop = gr.Button("Stop", variant="stop", size="lg", elem_id="lab-stop", visible=False)
        self._notice = gr.HTML(elem_id="lab-notice")
        self._families: list[gr.CheckboxGroup] = []
        for kind, label in KINDS.items():
            names = [name for name, family in FAMILIES.items() if family.kind == kind]
            if names:
                self._families.append(
                    gr.CheckboxGroup(
                        [(FAMILIES[name].title, name) for name in names],
                        value=[name for name in names if name in FIRST], label=label, elem_id=f"lab-{kind}",
                    )
                )  # fmt: skip
                gr.HTML(lab_show.explained([FAMILIES[name] for name in names]))

    def _see(self) -> None:
        self._earlier = gr.Dropdown(
            [], label="Your trainings", elem_id="lab-earlier", visible=False, filterable=False
        )
        self._stage = gr.HTML(lab_show.IDLE, elem_id="lab-stage")
        self._go_on = gr.Button("Go on with it", elem_id="lab-go-on", visible=False)
        self._drawing = LabDraw(self._engine, self._folder, self._create, self._tabs, self._catalogue)
        self._export = gr.DownloadButton("Export as one HTML file", elem_id="lab-export", visible=False)
        self._comparison = gr.HTML(elem_id="lab-comparison", apply_default_css=False)

    # The wiring

    @property
    def outputs(self) -> list[Block]:
        """What shows a session."""
        return [
            self._session, self._told, self._pulse, self._train, self._stop, self._go_on, self._stage,
            self._notice, self._earlier, self._export, self._comparison, self._kept, *self._drawing.outputs,
        ]  # fmt: skip

    def _listen(self, tab: gr.Tab) -> None:
        asked = [self._kept, self._data, self._minutes, *self._families]
        begun = self._train.click(self._begin, asked, self.outputs, **QUIET)
        begun.then(None, None, None, js=SHOW, **QUIET)
        self._stop.click(self._end, [self._session], [self._stop], **QUIET)
        self._go_on.click(self._again, [self._session], self.outputs, **QUIET)
        looked = [self._session, self._told]
        self._pulse.tick(self._look, looked, self.outputs, trigger_mode="once", **QUIET)
        tab.select(self._seen, [self._kept], self.outputs, **QUIET)
        self._earlier.input(self._show_other, [self._earlier, self._kept], self.outputs, **QUIET)
        self._drawing.listen(self._session)

    # What the listeners do

    def open(self, kept: dict[str, Any]) -> Updates:
        """The page was opened: show the session that was shown last, if any, and what was asked for it."""
        session = read(self._folder, str(_memory(kept).get("session", "")))
        if session is None:
            return {self._earlier: self._menu(kept, "")}
        return {**self._seen(kept), **self._wanted(session)}

    @property
    def remembered(self) -> list[Block]:
        """What ``open`` changes."""
        return [*self.outputs, self._data, self._minutes, *self._families]

    def _wanted(self, session: Session) -> Updates:
        groups = {
            group: [name for name in session.families if name in _names(group)] for group in self._families
        }
        return {self._data: session.data, self._minutes: session.minutes, **groups}

    def _seen(self, kept: dict[str, Any]) -> Updates:
        """The tab is looked at."""
        session = read(self._folder, str(_memory(kept).get("session", "")))
        if session is None:
            return {self._earlier: self._menu(kept, "")}
        return {**self._state(session), self._earlier: self._menu(kept, session.id)}

    def _begin(self, kept: dict[str, Any], data: str, minutes: float | None, *chosen: list[str]) -> Updates:
        try:
            session = begin(self._folder, data, [name for group in chosen for name in group], minutes)
            self._submit(session)
        except (ValueError, QueueFull) as error:
            return {self._notice: show.notice(str(error))}
        memory = _memory(kept)
        ids = [session.id, *memory.get("sessions", [])][:KEPT]
        memory = memory | {"session": session.id, "sessions": ids}
        return {
            **self._state(session), self._notice: "", self._kept: memory,
            self._earlier: self._menu(memory, session.id), **self._drawing.cleared(),
        }  # fmt: skip

    def _submit(self, session: Session) -> None:
        """One family after the other, and at last the comparison."""
        for family in session.families:
            if family not in session.finished:
                self._engine.work(session.training(family), family, session.id)
        self._engine.work(session.comparing(), COMPARING, session.id)

    def _end(self, session_id: str) -> Updates:
        """Stop the training; what is finished is still compared."""
        for work in self._engine.works(session_id):
            if work.title != COMPARING:
                work.cancel()
        return {self._stop: gr.update(value="Stopping…", interactive=False)}

    def _again(self, session_id: str) -> Updates:
        session = read(self._folder, session_id)
        if session is None:
            return {self._notice: show.notice(GONE)}
        try:
            self._submit(session)
        except QueueFull as error:
            return {self._notice: show.notice(str(error))}
        return self._state(session)

    def _look(self, session_id: str, told: str) -> Updates:
        session = read(self._folder, session_id)
        if session is None:
            return {self._pulse: gr.Timer(active=False)}
        state = self._state(session)
        return {self._told: told} if state[self._told] == told else state

    def _show_other(self, session_id: str, kept: dict[str, Any]) -> Updates:
        session = read(self._folder, session_id)
        if session is None:
            return {self._notice: show.notice(GONE)}
        memory = _memory(kept) | {"session": session_id}
        return {**self._state(session), self._kept: memory, **self._drawing.cleared()}

    # How a session looks

    def _state(self, session: Session) -> Updates:
        works = {work.title: work for work in self._engine.works(session.id)}  # the newest of each
        busy = any(not work.ended for work in works.values())
        stage = lab_show.stage(session, works)
        part = session.compared or ""
        finished = session.finished
        told = f"{session.id}{busy}{len(part)}{len(finished)}{hash(stage)}"
        return {
            self._session: session.id,
            self._told: told,
            self._pulse: gr.Timer(active=busy),
            self._train: gr.update(visible=not busy),
            self._stop: self._stoppable(works, busy),
            self._go_on: gr.update(visible=not busy and len(finished) < len(session.families)),
            self._stage: stage,
            **self._drawing.shown(session, finished, settled=not busy),
            self._export: gr.update(
                visible=bool(part) and not busy, value=self._exported(session, part, busy)
            ),
            self._comparison: part if not busy else "",
        }

    def _stoppable(self, works: dict[str, Background], busy: bool) -> Any:
        stopping = any(work.cancelling and not work.ended for work in works.values())
        return gr.update(visible=busy, value="Stopping…" if stopping else "Stop", interactive=not stopping)

    def _exported(self, session: Session, part: str, busy: bool) -> str | None:
        """A copy under a name that a person understands."""
        if not part or busy:
            return None
        file = self.exports / session.id / f"{session.data}-comparison.html"
        file.parent.mkdir(exist_ok=True)
        shutil.copyfile(session.folder / PAGE, file)
        return str(file)

    def _menu(self, kept: dict[str, Any], shown: str) -> Any:
        """The sessions that this browser began and that are still there."""
        choices = []
        for session_id in _memory(kept).get("sessions", []):
            session = read(self._folder, str(session_id))
            if session is not None:
                began = time.strftime("%d %B, %H:%M", time.localtime(session.folder.stat().st_ctime))
                choices.append((lab_show.named(session, began), session.id))
        return gr.update(choices=choices, value=shown or None, visible=len(choices) > 1)


def _names(group: gr.CheckboxGroup) -> list[Any]:
    return [value for _, value in group.choices]


def _memory(kept: Any) -> dict[str, Any]:
    return kept if isinstance(kept, dict) else {}
