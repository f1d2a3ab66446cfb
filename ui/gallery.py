"""The Gallery tab: what was made, newest first; find it by its words, see how it was made, use it again."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block

from gallery import Entry, Gallery, PictureError
from pipelines.recipe import Recipe
from ui import show
from ui.bundles import Bundles
from ui.create import Create
from ui.edit import Edit
from ui.history import PICK, History, clicked
from ui.watch import QUIET

PAGE = 48  # thumbnails shown at first and by each "Show more"
BROKEN = Path(__file__).parents[1] / "static" / "broken.png"

Updates = dict[Block, Any]


class Browse:
    """The tab's components and listeners. ``create`` is where a recipe goes to be used again, and ``edit``
    where a picture goes to be drawn over."""

    def __init__(self, gallery: Gallery, create: Create, edit: Edit, tabs: gr.Tabs, tab: gr.Tab) -> None:
        self._gallery = gallery
        self._create = create
        self._edit = edit
        self._tabs = tabs
        self._history = History(gallery, "Click one to open it.")
        self.bundles = Bundles(gallery)
        with gr.Row(elem_id="browse"):
            with gr.Column(elem_id="wall"):
                self._search = gr.Textbox(
                    label="Search", placeholder="Words of the prompt", elem_id="search", max_lines=1
                )
                self._found = gr.HTML(elem_id="found")
                self._grid = gr.Gallery(
                    elem_id="grid", label="Pictures", show_label=False, columns=None, allow_preview=False,
                    object_fit="cover", height="auto", interactive=False, buttons=[],
                )  # fmt: skip
                self._more = gr.Button("Show more", elem_id="more", visible=False)
                self.bundles.box()
                self._imported = gr.HTML(elem_id="imported")
            with gr.Column(elem_id="details", visible=False) as self._panel:
                self._details()
        self._ids = gr.State([])
        self._picked = gr.State("")
        self._listen(tab)

    def _details(self) -> None:
        self._picture = gr.Image(
            elem_id="picture", label="Picture", show_label=False, interactive=False,
            buttons=["download", "fullscreen"],
        )  # fmt: skip
        self._recipe = gr.HTML(elem_id="recipe")
        with gr.Row(elem_classes="after"):
            self._reuse = gr.Button("Re-use", variant="primary", elem_id="reuse")
            self._to_edit = gr.Button("Send to Edit", elem_id="send-to-edit")
            self._to_upscale = gr.Button("Send to Upscale", elem_id="send-to-upscale")
            self._rerun = gr.Button("Re-run this edit", elem_id="rerun", visible=False)
            self.bundles.button()
            self._delete = gr.Button("Delete", elem_id="delete")
        self._notice = gr.HTML(elem_id="picture-notice")
        with gr.Column(visible=False, elem_id="confirm") as self._confirm:
            gr.HTML('<p role="alert">Delete this picture for good?</p>')
            with gr.Row():
                self._sure = gr.Button("Delete it", variant="stop", elem_id="delete-sure")
                self._keep = gr.Button("Keep it", elem_id="delete-keep")
        self._tree = gr.HTML(elem_id="history", js_on_load=PICK, apply_default_css=False)
        self._other = gr.Dropdown([], label="Compare with", elem_id="compare-with", visible=False)
        self._compare = gr.HTML(elem_id="compare")

    def _listen(self, tab: gr.Tab) -> None:
        wall = [self._grid, self._found, self._more, self._ids]
        panel = [
            self._panel, self._picture, self._recipe, self._reuse, self._to_edit,
            self._to_upscale, self._rerun, self._confirm, self._picked, self._tree, self._other,
            self._compare, self._notice,
        ]  # fmt: skip
        # One listener, so that answers come in the order of asking: two would race, and an answer to older
        # words (opening the tab shows everything) could take the place of a newer one.
        asked = [tab.select, self._search.submit, self._search.change]
        gr.on(asked, self._show, [self._search], wall, trigger_mode="always_last", **QUIET)
        self._more.click(self._show_more, [self._search, self._ids], wall, **QUIET)
        self._grid.select(self._open, [self._ids], panel, **QUIET)
        self._tree.select(clicked(self._relative), None, panel, trigger_mode="multiple", **QUIET)
        self._other.input(self._history.compared, [self._other, self._picked], [self._compare], **QUIET)
        self._delete.click(lambda: gr.update(visible=True), None, [self._confirm], **QUIET)
        self._keep.click(lambda: gr.update(visible=False), None, [self._confirm], **QUIET)
        self._sure.click(self._remove, [self._picked, self._search], [*panel, *wall], **QUIET)
        reused = self._reuse.click(
            self._use_again, [self._picked], [self._tabs, *self._create.reuse_outputs], **QUIET
        )
        self._create.keep_after(reused)
        self.bundles.listen(self._picked, self._notice)
        file = self.bundles.file
        file.upload(self._import, [file, self._search], [file, self._imported, *wall], **QUIET)
        self._edit.receive(self._to_edit.click, self._picked, self._edit.take)
        self._edit.receive(self._to_upscale.click, self._picked, self._edit.to_upscale)
        self._edit.receive(self._rerun.click, self._picked, self._edit.rerun)

    def _show(self, words: str) -> Updates:
        return self._wall(self._gallery.find(words, limit=PAGE + 1), words, PAGE)

    def _show_more(self, words: str, ids: list[str]) -> Updates:
        many = len(ids) + PAGE
        return self._wall(self._gallery.find(words, limit=many + 1), words, many)

    def _wall(self, entries: list[Entry], words: str, limit: int) -> Updates:
        shown = entries[:limit]
        empty = (
            "Nothing found for these words."
            if words.strip()
            else "Nothing here yet. What you draw is kept here."
        )
        return {
            self._grid: [(str(self._tile(entry)), _alt(entry.recipe)) for entry in shown],
            self._found: "" if shown else show.empty(empty),
            self._more: gr.update(visible=len(entries) > limit),
            self._ids: [entry.id for entry in shown],
        }

    def _import(self, file: str | None, words: str) -> Updates:
        """Files were dropped: a bundle, or a picture with its settings."""
        if file is None:
            return {self.bundles.file: None}
        said = self.bundles.taken_in(file)
        return {self.bundles.file: None, self._imported: said, **self._show(words)}

    def _tile(self, entry: Entry) -> Path:
        """One unreadable file is one broken tile."""
        try:
            return self._gallery.thumbnail(entry)
        except PictureError:
            return BROKEN

    def _open(self, picked: gr.SelectData, ids: list[str]) -> Updates:
        index = picked.index if isinstance(picked.index, int) else 0
        return self._opened(self._gallery.get(ids[index]) if index < len(ids) else None)

    def _relative(self, entry_id: str) -> Updates:
        """One of the history of the picture that is open."""
        return self._opened(self._gallery.get(entry_id))

    def _opened(self, entry: Entry | None) -> Updates:
        if entry is None:
            return self._closed()
        others = self._history.names(entry.id)
        readable = self._tile(entry) != BROKEN
        recipe = entry.recipe
        again = next((part for part in ("edit", "upscale") if recipe and getattr(recipe, part)), None)
        return {
            self._panel: gr.update(visible=True),
            self._picture: gr.update(
                value=str(entry.path) if readable else None, visible=readable, alt_text=_alt(entry.recipe)
            ),
            self._recipe: show.details(entry),
            self._reuse: gr.update(visible=recipe is not None and recipe.known),
            self._to_edit: gr.update(visible=readable),
            self._to_upscale: gr.update(visible=readable),
            self._rerun: gr.update(visible=again is not None, value=f"Re-run this {again}"),
            self._confirm: gr.update(visible=False),
            self._picked: entry.id,
            self._tree: self._history.tree(entry.id),
            self._other: gr.update(choices=others, value=None, visible=bool(others)),
            self._compare: "",
            self._notice: "",
        }

    def _closed(self) -> Updates:
        return {
            self._panel: gr.update(visible=False),
            self._confirm: gr.update(visible=False),
            self._picked: "",
        }

    def _remove(self, entry_id: str, words: str) -> Updates:
        self._gallery.delete(entry_id)
        return {**self._closed(), **self._show(words)}

    def _use_again(self, entry_id: str) -> Updates:
        entry = self._gallery.get(entry_id)
        if entry is None or entry.recipe is None:
            return {self._tabs: gr.update()}
        return {self._tabs: gr.Tabs(selected="create"), **self._create.reuse(entry.recipe)}


def _alt(recipe: Recipe | None) -> str:
    return recipe.prompt if recipe and recipe.prompt else "A picture without a prompt"
