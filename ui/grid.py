"""The Grid tab: one picture of many that differ in two or three settings, each of which can be used again."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from threading import Thread
from time import sleep
from typing import Any

import gradio as gr
from gradio.blocks import Block
from PIL import Image

from engine import Cell, Engine, Series, axes, axis, cells
from gallery import Entry, Gallery
from gallery.pictures import PictureError, open_kept
from gallery.plots import Plot, Plots
from gallery.sheet import sheet
from pipelines.recipe import Recipe, RecipeError
from ui import show
from ui.create import Create
from ui.easel import Given
from ui.edit import Edit
from ui.watch import QUIET

SIDES = (("x", "Columns", "steps", "4, 8, 16"), ("y", "Rows", "guidance", "1, 4, 8"), ("z", "Sheets", "", ""))
KEPT = 20  # grids that are remembered
LOOK = 0.5  # seconds between looks at one
INTRO = (
    "Pictures of the settings on Create or Edit that differ in what is chosen here. Values are separated by "
    "commas; numbers also as 1-5, 4-20 (+4) or 0-1 [5]. The first value of search and replace is what is "
    "searched."
)
CREATE, EDIT = "Create", "Edit"
# The canvas is asked only where it is drawn over.
ASK = f"""(...all) => [...all.slice(0, -4),
    ...(all[0] === {EDIT!r} ? AtelierEdit.given() : ["", "", "", ""])]"""

Updates = dict[Block, Any]


@dataclass(frozen=True, eq=False)
class Run:
    """A grid in the making. ``sides`` are the names and labels of its axes."""

    names: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    cells: tuple[Cell, ...]
    series: Series

    @property
    def plot(self) -> Plot:
        made = sorted(self.series.entries.items())
        places = tuple((self.cells[number].place, entry.id) for number, entry in made)
        return Plot(self.names, self.labels, places)


class Grid:
    """The tab's components and listeners. ``create`` and ``edit`` have the settings, and take a cell's back;
    ``kept`` is the browser's memory of the last grid."""

    def __init__(
        self, engine: Engine, gallery: Gallery, create: Create, edit: Edit, kept: gr.BrowserState,
        tabs: gr.Tabs, tab: gr.Tab,
    ) -> None:  # fmt: skip
        self._engine, self._gallery = engine, gallery
        self._create, self._edit, self._tabs = create, edit, tabs
        self._kept = kept
        self._plots = Plots(gallery.folder / "grids")
        self._runs: OrderedDict[str, Run] = OrderedDict()
        gr.HTML(show.hint(INTRO))
        self._ask()
        self._answer()
        self._run = gr.State("")
        self._shown = gr.State([])  # ids of the entries below the sheet
        self._picked = gr.State("")
        self._listen(tab)

    # The layout

    def _ask(self) -> None:
        self._of = gr.Radio([CREATE, EDIT], value=CREATE, label="Settings of", elem_id="grid-of")
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

    def _answer(self) -> None:
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
            with gr.Row(elem_classes="after"):
                self._use = gr.Button("Use on Create", elem_id="grid-use")
                self._rerun = gr.Button("Use on Edit", elem_id="grid-use-edit")

    # The wiring

    def _listen(self, tab: gr.Tab) -> None:
        outputs = [
            self._draw, self._stop, self._said, self._sheet, self._cells, self._panel, self._run, self._shown,
            self._kept,
        ]  # fmt: skip
        asked = [*self._create.asked, *self._edit.asked]
        self._draw.click(
            self._begin, [self._of, *self._fields, *self._texts, *asked], outputs, preprocess=False, js=ASK,
            **QUIET,
        )  # fmt: skip
        self._run.change(
            self._watch, [self._run], outputs, trigger_mode="once", concurrency_limit=None, **QUIET
        )
        tab.select(self.open, [self._kept, self._run], outputs, **QUIET)
        self._stop.click(self._end, [self._run], [self._stop], **QUIET)
        picked = [self._panel, self._about, self._picked, self._use, self._rerun]
        self._cells.select(self._look, [self._shown], picked, **QUIET)
        used = self._use.click(
            self._use_again, [self._picked], [self._tabs, *self._create.reuse_outputs], **QUIET
        )
        self._create.keep_after(used)
        self._edit.receive(self._rerun.click, self._picked, self._edit.rerun)

    # What the listeners do

    def open(self, kept: dict[str, Any] | None, shown: str) -> Updates:
        """The tab is looked at: show the last grid of this browser, unless it is shown."""
        name = str(kept.get("grid", "")) if isinstance(kept, dict) else ""
        if not name or name == shown:
            return {self._said: gr.skip()}  # Gradio takes no empty dict
        if name in self._runs:
            return {self._run: name}  # which is watched from now on
        plot = self._plots.read(name)
        if plot is None:
            return {self._said: gr.skip()}
        return {**self._plotted(plot), self._said: _ended(len(plot.entries)), self._run: name}

    def _begin(self, of: str, *values: Any) -> Updates:
        count = len(SIDES)
        fields, texts, asked = values[:count], values[count : 2 * count], values[2 * count :]
        try:
            sides = tuple(axis(name, text or "") for name, text in zip(fields, texts, strict=True) if name)
            if not sides:
                raise RecipeError("Grid: got no axis; allowed: one to three.")
            recipe, user = self._settings(of, asked)
            made = cells(recipe, sides)
        except (RecipeError, PictureError) as error:
            return {self._said: show.notice(str(error))}
        except OSError as error:
            return {self._said: show.notice(f"Mask: it could not be kept: {error.strerror}.")}
        # In a line of its own: after a reload, Create would else take its jobs for those of the person.
        series = Series(self._engine, [cell.recipe for cell in made], f"{user} grid")
        names, labels = zip(*((side.name, side.labels) for side in sides), strict=True)
        run = self._runs[series.id] = Run(names, labels, made, series)
        while len(self._runs) > KEPT:
            self._runs.popitem(last=False)
        Thread(target=self._keep, args=[run], name="atelier-grid", daemon=True).start()
        closed = {self._panel: gr.update(visible=False), self._kept: {"grid": series.id}}
        return {**self._state(run), **closed, self._run: series.id}

    def _settings(self, of: str, asked: Sequence[Any]) -> tuple[Recipe, str]:
        """The settings of that tab, and whose they are. Raises ``RecipeError`` and OSError."""
        many = len(self._create.asked)
        if of != EDIT:
            return self._create.read(*asked[:many])
        visitor = asked[0] or {}
        recipe = self._edit.recipe(list(asked[many:-4]), Given(*asked[-4:]))
        return recipe, str(visitor.get("visitor", "local"))

    def _keep(self, run: Run) -> None:
        """Once it has ended, note where its pictures stand: the page may be gone, the studio start anew."""
        run.series.wait()
        if run.series.entries:
            self._plots.write(run.series.id, run.plot)

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

    # How a grid looks

    def _state(self, run: Run) -> Updates:
        ended, plot = run.series.ended, run.plot
        faults = dict.fromkeys(run.series.faults.values())
        said = _progress(len(plot.entries), run.series.of, ended)
        return {
            **self._plotted(plot),
            self._draw: gr.update(visible=ended),
            self._stop: gr.update(visible=not ended, value="Stop", interactive=True),
            self._said: said + (show.notice(" ".join(faults)) if faults else ""),
        }

    def _plotted(self, plot: Plot) -> Updates:
        """The sheet and its pictures; those that were deleted since are left out."""
        there = [(place, entry) for place, name in plot.entries if (entry := self._there(name)) is not None]
        pictures: dict[tuple[int, int, int], Image.Image] = {}
        for place, entry in there:
            try:
                pictures[place] = open_kept(entry.path)
            except (PictureError, OSError):  # damaged since
                continue
        drawn = sheet(pictures, plot.names, plot.labels) if pictures else None
        return {
            self._sheet: gr.update(value=drawn, visible=drawn is not None),
            self._cells: gr.update(
                value=[(str(entry.path), _label(plot, place)) for place, entry in there], visible=bool(there)
            ),
            self._shown: [entry.id for _, entry in there],
        }

    def _there(self, entry_id: str) -> Entry | None:
        entry = self._gallery.get(entry_id) if entry_id else None
        return entry if entry is not None and entry.path.is_file() else None

    def _look(self, picked: gr.SelectData, shown: list[str]) -> Updates:
        index = picked.index if isinstance(picked.index, int) else 0
        entry = self._there(shown[index]) if index < len(shown) else None
        if entry is None or entry.recipe is None:
            return {self._panel: gr.update(visible=False), self._picked: ""}
        edited = entry.recipe.edit is not None
        return {
            self._panel: gr.update(visible=True),
            self._about: show.caption(entry.recipe, entry.width, entry.height) + show.details(entry),
            self._picked: entry.id,
            self._use: gr.update(visible=not edited),
            self._rerun: gr.update(visible=edited),
        }

    def _use_again(self, entry_id: str) -> Updates:
        entry = self._there(entry_id)
        if entry is None or entry.recipe is None:
            return {self._tabs: gr.update()}
        return {self._tabs: gr.Tabs(selected="create"), **self._create.reuse(entry.recipe)}


def _label(plot: Plot, place: tuple[int, int, int]) -> str:
    told = (labels[k] for labels, k in zip(plot.labels, place, strict=False) if k < len(labels))
    return " · ".join(told)


def _progress(made: int, of: int, ended: bool) -> str:
    if ended:
        return show.hint(f"{made} of {of} pictures. Each is in the Gallery too.")
    bar = f'<progress max="{of}" value="{made}" aria-label="Pictures of the grid"></progress>'
    return f'<p class="hint">{escape(f"{made} of {of} pictures")} {bar}</p>'


def _ended(made: int) -> str:
    return show.hint(f"The last grid: {made} pictures. Each is in the Gallery too.")
