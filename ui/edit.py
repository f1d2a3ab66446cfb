"""The Edit tab: a picture is painted over and drawn anew there. ``ui/watch.py`` watches its jobs.

How an edit is drawn is not known here; its settings are those that the recipe declares.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.blocks import BlockContext
from gradio.components import Component
from gradio.events import Dependency
from PIL import Image

from engine import Catalogue, Engine, QueueFull
from gallery import Entry, Gallery, MetadataError, PictureError, open_picture
from gallery.inputs import conversions
from gallery.metadata import restore_from
from gallery.pictures import depth_of
from pipelines.recipe import Recipe, RecipeError
from ui import show
from ui.create import Create
from ui.easel import OPEN, Easel, Given
from ui.edit_settings import EditSettings
from ui.history import PICK, History, clicked
from ui.rerun import Rerun, missing
from ui.upscale import Upscale
from ui.watch import QUIET, Updates, Watch

GONE = "Picture: it is no longer there."
AGAIN = "An edit made this picture: “Re-run this edit” restores what it was made of, in place of the picture."
NOT_AGAIN = "An edit made this picture, and cannot be run again here:"


class Edit:
    """The tab's components and listeners. ``kept`` is the browser's memory of this tab; ``create`` has the
    visitor, and gets pictures that are sent there."""

    def __init__(
        self, engine: Engine, gallery: Gallery, catalogue: Catalogue, create: Create, kept: gr.BrowserState,
        tabs: gr.Tabs,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._gallery = gallery
        self._create = create
        self._kept = kept
        self._tabs = tabs
        self._history = History(gallery, "Click one to go on from it.")
        self.watch = Watch(engine, gallery, kept, edits=True, prefix="edit-")
        self.settings = EditSettings(engine, gallery, catalogue, kept)
        with gr.Row(elem_id="edit"):
            with gr.Column(elem_id="edit-write"):
                self._write()
            with gr.Column(elem_id="edit-easel"):
                self._easel = Easel(gallery)
                self._file = gr.File(visible="hidden", elem_id="edit-file")
            with gr.Column(elem_id="edit-out"):
                self._out()
            with gr.Column(elem_id="edit-settings"):
                self._settings()
        self._listen()

    # The layout

    def _write(self) -> None:
        self.settings.words()
        self.watch.buttons()
        self._rerun = Rerun(self._gallery, "edit-")

    def _out(self) -> None:
        self.watch.pictures("min(46vh, 420px)")
        with self.watch.after:
            self._go_on = gr.Button(
                "Use as the new picture", elem_id="edit-go-on", variant="primary", size="sm"
            )
            self._enlarge = gr.Button("Send to Upscale", elem_id="edit-to-upscale", size="sm")
            self._to_create = gr.Button("Send to Create", elem_id="edit-to-create", size="sm")
        self._compare = gr.HTML(elem_id="edit-compare")
        self._tree = gr.HTML(elem_id="edit-history", js_on_load=PICK, apply_default_css=False)

    def _settings(self) -> None:
        self.settings.place()
        self._upscale = Upscale(self._engine, self._gallery, self._easel, self.watch)

    # The wiring

    def _listen(self) -> None:
        watch = self.watch
        watch.generate.click(
            self._start, [self._create.kept, self._kept, *self.settings.asked, *self._easel.given],
            [*watch.outputs, *self._rerun.outputs], preprocess=False,
            js="(...all) => [...all.slice(0, -4), ...AtelierEdit.given()]", **QUIET,
        )  # fmt: skip
        watch.listen()
        self._upscale.listen(self._create.kept, self._kept)
        watch.picked.change(self._beside, [watch.picked], [self._compare, self._tree], **QUIET)
        self._after(
            self._tree.select(clicked(self._again), None, self.taken, trigger_mode="multiple", **QUIET)
        )
        opened = self._file.upload(self._open, [self._file], [self._file, *self._told], **QUIET)
        opened.then(None, [self._easel.told], None, js=OPEN, **QUIET)
        self.receive(self._go_on.click, watch.picked, self._again)
        self.receive(self._enlarge.click, watch.picked, self._enlarged)
        self.receive(self._create.to_edit.click, self._create.watch.picked, self.take)
        self.receive(self._create.to_upscale.click, self._create.watch.picked, self.to_upscale)
        for offer in (self._rerun, self._create.rerun):
            self.receive(offer.button.click, offer.recipe, self.restore)
        sent = self._to_create.click(
            self._send, [watch.picked], [self._tabs, *self._create.reuse_outputs], **QUIET
        )
        self._create.keep_after(sent)
        self.settings.listen()

    def receive(
        self, click: Callable[..., Dependency], picked: gr.State, take: Callable[[Any], Updates]
    ) -> None:
        """A click elsewhere brings a picture here: ``take`` is given what is in ``picked``, an entry's id
        mostly."""
        self._after(click(take, [picked], self.taken, **QUIET))

    def _after(self, change: Dependency) -> None:
        """Once the canvas was told what to open: open it, and keep the settings."""
        change.then(None, [self._easel.told], None, js=OPEN, **QUIET)
        self.settings.keep_after(change)

    @property
    def asked(self) -> list[Component]:
        """What ``recipe`` reads; the last four are the canvas's, who gives them to no listener by itself."""
        return [*self.settings.asked, *self._easel.given]

    @property
    def taken(self) -> list[Component | BlockContext]:
        """What taking a picture changes."""
        return [self._tabs, *self._told, *self._upscale.outputs, *self.settings.outputs]

    @property
    def _told(self) -> list[Component]:
        """What ``_opened`` changes."""
        return [self._easel.told, self.watch.notice, *self._rerun.outputs]

    @property
    def remembered(self) -> list[Component | BlockContext]:
        """What ``open`` changes."""
        return [*self.watch.outputs, *self.settings.outputs]

    # What the listeners do

    def open(self, visitor: dict[str, Any], kept: dict[str, Any]) -> Updates:
        """A page opened or reloaded: show its settings and job. The canvas has a memory of its own."""
        memory = kept if isinstance(kept, dict) else {}
        who = str(visitor.get("visitor", "")) if isinstance(visitor, dict) else ""
        return {**self.settings.open(memory), **self.watch.open(memory, who)}

    def _start(self, visitor: dict[str, Any] | None, kept: dict[str, Any] | None, *values: Any) -> Updates:
        visitor, kept = visitor or {}, kept or {}  # none where the page has not opened yet
        *settings, picture, mask, sketch, regions = values
        try:
            recipe = self.recipe(settings, Given(picture, mask, sketch, regions))
            job = self._engine.submit(recipe, user=str(visitor.get("visitor", "local")))
        except (RecipeError, PictureError, QueueFull) as error:
            return {self.watch.notice: show.notice(str(error))}
        except OSError as error:
            return {self.watch.notice: show.notice(f"Mask: it could not be kept: {error.strerror}.")}
        memory = {**kept, **self.settings.remembered(settings)}
        return {**self.watch.start(job, memory), **self._rerun.offered()}

    def recipe(self, settings: list[Any], given: Given) -> Recipe:
        """What the tab asks for. Raises ``RecipeError`` and OSError."""
        recipe, part = self.settings.read(settings)
        edit, regions = self._easel.read(given)
        return Recipe.read(recipe.model_dump() | {"edit": part | edit, "regions": regions})

    def _open(self, file: str | None) -> Updates:
        """A file was dropped or chosen: it is drawn over next, or what made it is run again."""
        if file is None:
            return {self._file: None, self._easel.told: ""}
        updates = {self._file: None, **self._opened(lambda: self._easel.file(file))}
        if not updates[self._easel.told]:
            return updates
        image = open_picture(file)
        changed, recipe = conversions(image, depth_of(file)), _described(image)
        gone = missing(recipe, self._gallery.inputs) if recipe is not None else []
        again = AGAIN if recipe is not None and not gone else ""
        said = show.good_news(*changed, again) + (show.notice(NOT_AGAIN, *gone) if gone else "")
        return {**updates, **self._rerun.offered(recipe), self.watch.notice: said}

    def _opened(self, tell: Callable[[], str]) -> Updates:
        try:
            return {self._easel.told: tell(), self.watch.notice: "", **self._rerun.offered()}
        except (PictureError, RecipeError) as error:
            said = str(error)
        except OSError as error:
            said = f"Picture: it could not be kept: {error.strerror}."
        return {self._easel.told: "", self.watch.notice: show.notice(said), **self._rerun.offered()}

    def take(self, entry_id: str) -> Updates:
        """A picture of the gallery comes, with the words and the model that made it."""
        entry = self._there(entry_id)
        if entry is None:
            return self._lost()
        return {
            self._tabs: gr.Tabs(selected="edit"),
            **self._opened(lambda: self._easel.entry(entry)),
            **(self.settings.taken(entry.recipe) if entry.recipe is not None and entry.recipe.known else {}),
        }

    def to_upscale(self, entry_id: str) -> Updates:
        """A picture comes to be made larger."""
        return {**self.take(entry_id), self._upscale.panel: gr.update(open=True)}

    def _again(self, entry_id: str) -> Updates:
        """What was made is drawn over next; margins were drawn, so they go."""
        entry = self._there(entry_id)
        if entry is None:
            return self._lost()
        updates = self._opened(lambda: self._easel.entry(entry, keep_mask=True))
        return updates | self.settings.whole()

    def _enlarged(self, entry_id: str) -> Updates:
        """What was made is to be made larger."""
        return {**self._again(entry_id), self._upscale.panel: gr.update(open=True)}

    def rerun(self, entry_id: str) -> Updates:
        """All that made an edited picture: its picture, its mask and every setting; or an enlarged one."""
        entry = self._there(entry_id)
        recipe = entry.recipe if entry is not None else None
        if recipe is None or (recipe.edit is None and recipe.upscale is None):
            return self._lost()
        return self.restore(recipe)

    def restore(self, recipe: Recipe) -> Updates:
        """The same, of a recipe with an edit or an upscale."""
        if recipe.upscale is not None:
            return {self._tabs: gr.Tabs(selected="edit"), **self._upscale.again(recipe.upscale)}
        assert (edit := recipe.edit) is not None
        if gone := missing(recipe, self._gallery.inputs):
            updates = {self._easel.told: "", self.watch.notice: show.notice(*gone), **self._rerun.offered()}
        else:
            updates = self._opened(lambda: self._easel.edit(edit, recipe.regions))
        if updates[self._easel.told]:
            notes = self.settings.missing(recipe)
            restored = show.good_news("The edit was restored: Generate draws it.")
            updates[self.watch.notice] = show.notice(*notes) if notes else restored
        return {self._tabs: gr.Tabs(selected="edit"), **updates, **self.settings.restored(recipe)}

    def _send(self, entry_id: str) -> Updates:
        """The words and settings of what was made, in Create."""
        entry = self._there(entry_id)
        if entry is None or entry.recipe is None:
            return {self._tabs: gr.update()}
        return {self._tabs: gr.Tabs(selected="create"), **self._create.reuse(entry.recipe)}

    def _beside(self, entry_id: str) -> Updates:
        """What was made, and the picture before, under one slider; and its history."""
        return {self._compare: self._history.before(entry_id), self._tree: self._history.tree(entry_id)}

    def _there(self, entry_id: str) -> Entry | None:
        entry = self._gallery.get(entry_id) if entry_id else None
        return entry if entry is not None and entry.path.is_file() else None

    def _lost(self) -> Updates:
        return {self._easel.told: "", self.watch.notice: show.notice(GONE)}


def _described(image: Image.Image) -> Recipe | None:
    """The recipe of the edit that a picture's file says it is, if it does."""
    try:
        recipe = restore_from(image).recipe
    except MetadataError:
        return None
    return recipe if recipe.edit is not None else None
