"""Drawing with a model that the Lab trained: a part of its tab. ``training/sessions.py`` keeps the models."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block

from engine import Catalogue, Done, Engine, Event, Failed, QueueFull
from training.families import FAMILIES
from training.sessions import Session, classes_in, read, samples_by
from ui import show
from ui.create import Create
from ui.watch import QUIET

PATIENCE = 600  # seconds that a drawing may take
SAMPLERS = [
    ("The family's own", ""), ("DPM++ 2M", "dpmpp-2m"), ("DDIM", "ddim"), ("DDPM", "ddpm"),
    ("Euler", "euler"), ("Heun", "heun"), ("UniPC", "unipc-2"),
]  # fmt: skip
HERE_ONLY = (
    "These models are drawn with here. Create draws from words, and only {title} learns words: it can be "
    "sent there{where}."
)
WORDS = next(family.title for family in FAMILIES.values() if family.checkpoint)

Updates = dict[Block, Any]


class LabDraw:
    """The panel and its listeners. ``folder`` keeps the sessions; ``catalogue`` takes what is sent to
    ``create``, where the page may do that."""

    def __init__(
        self, engine: Engine, folder: Path, create: Create, tabs: gr.Tabs, catalogue: Catalogue | None
    ) -> None:
        self._engine, self._folder = engine, folder
        self._create, self._tabs, self._catalogue = create, tabs, catalogue
        with gr.Column(visible=False, elem_id="lab-draw-panel") as self._panel:
            with gr.Row(elem_classes="pair"):
                self._model = gr.Dropdown([], label="Draw with", elem_id="lab-model", filterable=False)
                self._class = gr.Dropdown([], label="Class", elem_id="lab-class", filterable=False)
            with gr.Row(elem_classes="pair"):
                self._count = gr.Number(
                    8, label="Pictures", minimum=1, maximum=64, step=1, precision=0, elem_id="lab-count"
                )
                self._seed = gr.Number(0, label="Seed", minimum=0, step=1, precision=0, elem_id="lab-seed")
            with gr.Row(elem_classes="pair", visible=False) as self._ways:
                self._sampler = gr.Dropdown(
                    SAMPLERS, value="", label="Sampler", elem_id="lab-sampler", filterable=False
                )
                self._steps = gr.Number(
                    20, label="Steps", minimum=1, maximum=1000, step=1, precision=0, elem_id="lab-steps",
                    visible=False,
                )  # fmt: skip
            self._draw = gr.Button("Draw", variant="primary", elem_id="lab-draw")
            self._said = gr.HTML(elem_id="lab-drawn-notice")
            self._drawn = gr.Image(
                elem_id="lab-drawn", label="Drawn", show_label=False, visible=False, interactive=False,
                buttons=["download", "fullscreen"], format="png",
            )  # fmt: skip
            self.sender = gr.Button("Send to Create", visible=False, elem_id="lab-send")
            where = "" if catalogue else " where the host lets this page add models"
            gr.HTML(show.hint(HERE_ONLY.format(title=f"“{WORDS}”", where=where)))

    @property
    def outputs(self) -> list[Block]:
        """What ``shown`` and ``cleared`` change."""
        return [self._panel, self._model, self._class, self._drawn, self._said]

    def listen(self, session: gr.State) -> None:
        """``session`` holds the id of the one that is shown."""
        self._model.change(self.chosen, [self._model], [self._ways, self._sampler, self.sender], **QUIET)
        self._sampler.change(
            lambda name: gr.update(visible=bool(name)), [self._sampler], [self._steps], **QUIET
        )
        asked = [session, self._model, self._class, self._count, self._seed, self._sampler, self._steps]
        self._draw.click(
            self._draw_some, asked, [self._draw, self._drawn, self._said], concurrency_limit=None, **QUIET
        )
        form = self._create.form
        sent = self.sender.click(
            self.send, [session, self._model, self._create.kept, *form.components],
            [self._tabs, self._said, *form.components], preprocess=False, **QUIET,
        )  # fmt: skip
        self._create.keep_after(sent)

    def shown(self, session: Session, finished: Sequence[str], settled: bool) -> Updates:
        """The models that can be drawn with; once all is ``settled`` the first is chosen."""
        if not finished:
            return {self._panel: gr.update(visible=False)}
        models = [(FAMILIES[name].title, name) for name in finished]
        classes = [("Each in turn", -1), *((name, k) for k, name in enumerate(classes_in(session.data)))]
        if not settled:
            chosen = {
                self._model: gr.update(choices=models),
                self._class: gr.update(choices=classes),
            }
        else:
            chosen = {
                self._model: gr.update(choices=models, value=finished[0]),
                self._class: gr.update(choices=classes, value=-1),
            }
        return {self._panel: gr.update(visible=True), **chosen}

    def cleared(self) -> Updates:
        """Without what another session drew."""
        return {self._drawn: gr.update(visible=False), self._said: ""}

    def chosen(self, family: str | None) -> Updates:
        can = bool(family) and samples_by(str(family))
        sendable = self._catalogue is not None and bool(family) and FAMILIES[str(family)].checkpoint
        return {
            self._ways: gr.update(visible=can),
            self._sampler: "",
            self.sender: gr.update(visible=sendable),
        }

    def send(self, session_id: str, family: str | None, kept: dict[str, Any], *values: Any) -> Updates:
        session = read(self._folder, session_id)
        if session is None or self._catalogue is None:
            return {self._said: show.notice("Send: got nothing; allowed: a model that is trained.")}
        try:
            name, learnt = session.checkpoint(family or "")
            model = self._catalogue.take_in(name, learnt.save)
        except (ValueError, OSError) as error:
            return {self._said: show.notice(str(error))}
        chosen = self._create.draw_with(model, kept, *values)
        return {self._tabs: gr.Tabs(selected="create"), self._said: "", **chosen}

    def _draw_some(
        self, session_id: str, family: str | None, label: int | None, count: int | None, seed: int | None,
        sampler: str | None, steps: int | None,
    ) -> Iterator[Updates]:  # fmt: skip
        session = read(self._folder, session_id)
        if session is None or not family:
            yield {self._said: show.notice("Draw with: got nothing; allowed: a model that is trained.")}
            return
        whose = None if label is None or label < 0 else label
        wanted = session.drawing(family, whose, count or 0, seed or 0, sampler or "", steps or 0)
        yield {self._draw: gr.update(value="Drawing…", interactive=False)}
        ready = {self._draw: gr.update(value="Draw", interactive=True)}
        try:
            work = self._engine.work(wanted, "drawing", f"{session_id} draw", lane="lab-draw")
            yield {**ready, **self._ended(work.wait(PATIENCE))}
        except (QueueFull, TimeoutError) as error:
            yield {**ready, self._said: show.notice(str(error))}

    def _ended(self, event: Event) -> Updates:
        match event:
            case Done((image,)):
                return {self._drawn: gr.update(value=image, visible=True), self._said: ""}
            case Failed(what, hint):
                return {self._said: show.notice(what, hint)}
        return {self._said: show.notice("The drawing was stopped.")}
