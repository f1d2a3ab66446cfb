"""The Grid tab: one picture of many that differ in two or three settings, each of which can be used again."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from time import sleep
from typing import Any

import gradio as gr
from gradio.blocks import Block
from PIL import Image

from engine import Axis, Cell, Engine, Series, axes, axis, cells
from gallery import Entry, Gallery
from gallery.pictures import PictureError, open_kept
from gallery.sheet import sheet
from pipelines.recipe import RecipeError
from ui import show
from ui.create import Create
from ui.watch import QUIET

SIDES = (("x", "Columns", "steps", "4, 8, 16"), ("y", "Rows", "guidance", "1, 4, 8"), ("z", "Sheets", "", ""))
KEPT = 20  # grids that are remembered
LOOK = 0.5  # seconds between looks at one
INTRO = (
    "Pictures of the settings on Create that differ in what is chosen here. Values are separated by commas; "
    "numbers also as 1-5, 4-20 (+4) or 0-1 [5]. The first value of search and replace is what is searched."
)

Updates = dict[Block, Any]


@dataclass(frozen=True, eq=False)
class Run:
    """A grid in the making."""

    sides: tuple[Axis, ...]
    cells: tuple[Cell, ...]
    series: Series


class Grid:
    """The tab's components and listeners. ``create`` has the settings, and takes a cell's back."""

    def __init__(self, engine: Engine, gallery: Gallery, create: Create, tabs: gr.Tabs) -> None:
        self._engine, self._gallery = engine, gallery
        self._create, self._tabs = create, tabs
        self._runs: OrderedDict[str, Run] = OrderedDict()
        gr.HTML(show.hint(INTRO))
        choices = [("None", ""), *((label, name) for name, label in axes().items())]
        self._fields: list[gr.Dropdown] = []
        self._texts: list[gr.Textbox] = []
        for side, label, field, text in SIDES:
            with gr.Row(elem_classes="pair"):
                self._fields.append(
                    gr.Dropdown(choices, value=field, label=label, elem_id=f"grid-{side}", filterable=True)
                )
                self._texts.append(gr.Textbox(text, label=f"Values of the {label.lower()}",
                                              elem_id=f"grid-{side}-values", max_lines=3))  # fmt: skip
        with gr.Row():
            self._draw = gr.Button("Draw the grid", variant="primary", elem_id="grid-draw")
            self._stop = gr.Button("Stop", variant="stop", elem_id="grid-stop", visible=False)
        self._said = gr.HTML(elem_id="grid-said")
        self._sheet = gr.Image(
            elem_id="grid-sheet", label="Grid", show_label=False, interactive=False, visible=False,
            buttons=["download", "fullscreen"], format="png",
        )  # fmt: skip
        self._cells = gr.Gallery(
            elem_id="grid-cells", label="Its pictures", show_label=False, columns=6, object_fit="contain",
            height="auto", allow_preview=False, interactive=False, visible=False, buttons=[],
        )  # fmt: skip
        with gr.Column(visible=False, elem_id="grid-cell") as self._panel:
            self._about = gr.HTML(elem_id="grid-about")
            self._use = gr.Button("Use on Create", elem_id="grid-use")
        self._run = gr.State("")
        self._shown = gr.State([])  # ids of the entries below the sheet
        self._picked = gr.State("")
        self._listen()

    def _listen(self) -> None:
        controls = [*self._fields, *self._texts]
        outputs = [
            self._draw, self._stop, self._said, self._sheet, self._cells, self._panel, self._run, self._shown,
        ]  # fmt: skip
        asked = self._create.asked
        self._draw.click(self._begin, [*controls, *asked], outputs, preprocess=False, **QUIET)
        self._run.change(
            self._watch, [self._run], outputs, trigger_mode="once", concurrency_limit=None, **QUIET
        )
        self._stop.click(self._end, [self._run], [self._stop], **QUIET)
        picked = [self._panel, self._about, self._picked]
        self._cells.select(self._look, [self._shown], picked, **QUIET)
        used = self._use.click(
            self._use_again, [self._picked], [self._tabs, *self._create.reuse_outputs], **QUIET
        )
        self._create.keep_after(used)

    def _begin(self, *values: Any) -> Updates:
        count = len(SIDES)
        fields, texts, settings = values[:count], values[count : 2 * count], values[2 * count :]
        try:
            sides = tuple(axis(name, text or "") for name, text in zip(fields, texts, strict=True) if name)
            if not sides:
                raise RecipeError("Grid: got no axis; allowed: one to three.")
            recipe, user = self._create.read(*settings)
            made = cells(recipe, sides)
        except RecipeError as error:
            return {self._said: show.notice(str(error))}
        # In a line of its own: after a reload, Create would else take its jobs for those of the person.
        series = Series(self._engine, [cell.recipe for cell in made], f"{user} grid")
        self._runs[series.id] = Run(sides, made, series)
        while len(self._runs) > KEPT:
            self._runs.popitem(last=False)
        closed = {self._panel: gr.update(visible=False)}
        return {**self._state(self._runs[series.id]), **closed, self._run: series.id}

    def _watch(self, name: str) -> Iterator[Updates]:
        """Show a grid until all of it is there. The page may go at any time; the drawing goes on."""
        run = self._runs.get(name)
        seen = -1
        while run is not None:
            ended = run.series.ended
            if ended or len(run.series.entries) != seen:
                seen = len(run.series.entries)
                yield self._state(run)
            if ended:
                return
            sleep(LOOK)

    def _end(self, name: str) -> Updates:
        if (run := self._runs.get(name)) is not None:
            run.series.cancel()
        return {self._stop: gr.update(value="Stopping…", interactive=False)}

    def _state(self, run: Run) -> Updates:
        entries, ended = run.series.entries, run.series.ended
        said = _progress(len(entries), run.series.of, ended)
        faults = dict.fromkeys(run.series.faults.values())
        there = [entries[k] for k in sorted(entries)]
        return {
            self._draw: gr.update(visible=ended),
            self._stop: gr.update(visible=not ended, value="Stop", interactive=True),
            self._said: said + (show.notice(" ".join(faults)) if faults else ""),
            self._sheet: gr.update(value=self._drawn(run, entries), visible=bool(there)),
            self._cells: gr.update(
                value=[(str(entry.path), _label(run, k)) for k, entry in sorted(entries.items())],
                visible=bool(there),
            ),
            self._shown: [entry.id for entry in there],
        }

    def _drawn(self, run: Run, entries: dict[int, Entry]) -> Image.Image | None:
        pictures = {}
        for number, entry in entries.items():
            try:
                pictures[run.cells[number].place] = open_kept(entry.path)
            except (PictureError, OSError):  # deleted since
                continue
        if not pictures:
            return None
        return sheet(pictures, [side.name for side in run.sides], [side.labels for side in run.sides])

    def _look(self, picked: gr.SelectData, shown: list[str]) -> Updates:
        index = picked.index if isinstance(picked.index, int) else 0
        entry = self._gallery.get(shown[index]) if index < len(shown) else None
        if entry is None or entry.recipe is None:
            return {self._panel: gr.update(visible=False), self._picked: ""}
        return {
            self._panel: gr.update(visible=True),
            self._about: show.caption(entry.recipe, entry.width, entry.height) + show.details(entry),
            self._picked: entry.id,
        }

    def _use_again(self, entry_id: str) -> Updates:
        entry = self._gallery.get(entry_id)
        if entry is None or entry.recipe is None:
            return {self._tabs: gr.update()}
        return {self._tabs: gr.Tabs(selected="create"), **self._create.reuse(entry.recipe)}


def _label(run: Run, number: int) -> str:
    place = run.cells[number].place
    told = (side.labels[k] for side, k in zip(run.sides, place, strict=False))
    return " · ".join(told)


def _progress(made: int, of: int, ended: bool) -> str:
    if ended:
        return show.hint(f"{made} of {of} pictures. Each is in the Gallery too.")
    bar = f'<progress max="{of}" value="{made}" aria-label="Pictures of the grid"></progress>'
    return f'<p class="hint">{escape(f"{made} of {of} pictures")} {bar}</p>'
