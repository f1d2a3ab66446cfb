"""What an edit is drawn with: its boxes and panels in the Edit tab, kept in the browser, read and restored.

How an edit is drawn is not known here; its settings are those that the recipe declares.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine import Catalogue, Engine
from gallery import Gallery
from pipelines.recipe import Recipe
from ui import advanced, show
from ui.form import RANDOM, Form
from ui.influences import CONTROLS, REFERENCES, Influences
from ui.part import Part
from ui.switched import Switched
from ui.watch import QUIET, Updates

TAKEN = ("prompt", "negative", "model", "sampler", "schedule", "steps", "guidance", "width", "height", "vae")
SWITCHED = ("variation", "tiles")  # a second pass over an edit is another edit
MARGINS = ("left", "right", "top", "bottom")
SEEN = """Width and Height are what the model sees of the picture, or of the mask and its padding; the result
has the picture's own size. Seed −1 is a new one each time."""


class EditSettings:
    """``kept`` is the browser's memory of the tab."""

    def __init__(self, engine: Engine, gallery: Gallery, catalogue: Catalogue, kept: gr.BrowserState) -> None:
        self._engine, self._gallery, self._kept = engine, gallery, kept
        self.form = Form(catalogue.checkpoints, lambda: catalogue.files("vae"), prefix="edit-")
        self.part = Part("edit", without=("picture", "mask", "sketch"))

    # The layout: each of these is called where it is to stand

    def words(self) -> None:
        self.form.make("prompt", lines=2, max_lines=6, info=None, placeholder="What is to be there")
        self.form.make(
            "negative", lines=1, max_lines=4, info=None, placeholder="What to leave out, if anything"
        )
        self.part.make("strength")

    def place(self) -> None:
        """All the others."""
        self._where()
        self._how()
        self._panels = (
            Influences(CONTROLS, self._engine.controlnets, self._gallery, "edit-"),
            Influences(REFERENCES, self._engine.ip_adapters, self._gallery, "edit-"),
        )
        self._switched = Switched(SWITCHED, "edit-")
        with gr.Accordion("Advanced", open=False, elem_id="edit-advanced"):
            self.part.make("resize")
            advanced.place(self.form)
        self.form.unmade()
        self.part.unmade()

    def _where(self) -> None:
        part = self.part
        for name in ("content", "area"):
            part.make(name)
        with gr.Row(elem_classes="four"):
            for name in ("padding", "feather", "grow"):
                part.make(name)
        part.make("soft")
        part.make("invert")
        with gr.Accordion("Outpaint", open=False, elem_id="edit-outpaint"):
            gr.HTML(show.hint("New picture beyond the borders, in pixels."))
            with gr.Row(elem_classes="four"):
                for name in MARGINS:
                    part.make(name, info=None)

    def _how(self) -> None:
        for pair in (("model", "count"), ("steps", "guidance"), ("width", "height")):
            with gr.Row(elem_classes="pair"):
                for name in pair:
                    self.form.make(name, info=None)
        with gr.Row(elem_classes="seeds"):
            self.form.make("seed", info=None, min_width=80)
            self._die = gr.Button("New", elem_id="edit-die", min_width=40, scale=0)
            self._recycle = gr.Button("Last", elem_id="edit-recycle", min_width=40, scale=0)
        gr.HTML(show.hint(SEEN))

    # The wiring

    def listen(self) -> None:
        kept, seed = self._kept, self.form["seed"]
        changes = [
            self._die.click(None, None, [seed], js=f"() => {RANDOM}", **QUIET),
            self._recycle.click(None, [kept, seed], [seed], js="(kept, seed) => kept.seed ?? seed", **QUIET),
        ]
        for change in (*changes, *(one for panel in self._panels for one in panel.listen())):
            self.keep_after(change)
        sides = [self.part[name] for name in ("left", "top", "right", "bottom")]
        gr.on(
            [side.change for side in sides],  # pyright: ignore[reportAttributeAccessIssue]
            None, sides, None, js="(...sides) => AtelierEdit.margins(...sides)", **QUIET,
        )  # fmt: skip
        typed = [box.input for box in self._boxes]  # pyright: ignore[reportAttributeAccessIssue]
        gr.on(typed, None, self._remembering, [kept], js=self._keep_js(), **QUIET)

    def keep_after(self, change: Dependency) -> None:
        """Once the page has changed them, keep the settings as if they had been typed."""
        change.then(None, self._remembering, [self._kept], js=self._keep_js(), **QUIET)

    def _keep_js(self) -> str:
        """Put the settings, as they are in the page now, into the browser's memory."""
        return f"""(kept, controls, references, ...values) => ({{...kept, controls, references, settings:
            Object.fromEntries({self._names!r}.map((name, k) => [name, values[k]]))}})"""

    @property
    def _remembering(self) -> list[Component]:
        return [self._kept, *self.asked]

    @property
    def asked(self) -> list[Component]:
        """What ``read`` and ``remembered`` read."""
        return [*(panel.value for panel in self._panels), *self._boxes]

    @property
    def outputs(self) -> list[Component]:
        """What shows the settings."""
        return [*(one for panel in self._panels for one in panel.outputs), *self._boxes]

    @property
    def _boxes(self) -> list[Component]:
        return [*self.form.components, *self._switched.components, *self.part.components]

    @property
    def _names(self) -> list[str]:
        return [*self.form.names, *self._switched.names, *self.part.names]

    # What the listeners do

    def read(self, values: Sequence[Any]) -> tuple[Recipe, dict[str, Any]]:
        """What the page shows: the recipe but for its edit, whose values are not yet checked. Raises
        ``RecipeError``."""
        lists, boxes = values[: len(self._panels)], values[len(self._panels) :]
        many = len(self.form.names)
        until = many + len(self._switched.names)
        recipe = self._switched.put_into(self.form.read(boxes[:many]), boxes[many:until])
        for panel, text in zip(self._panels, lists, strict=True):
            recipe = panel.put_into(recipe, text)
        return recipe, self.part.read(boxes[until:])

    def remembered(self, values: Sequence[Any]) -> dict[str, Any]:
        """``values`` as the browser is to keep them."""
        many = len(self._panels)
        lists = {panel.kind.field: text for panel, text in zip(self._panels, values[:many], strict=True)}
        return lists | {"settings": dict(zip(self._names, values[many:], strict=True))}

    def open(self, memory: Mapping[str, Any]) -> Updates:
        """A page opened or reloaded: show what its browser kept."""
        found = memory.get("settings")
        settings = found if isinstance(found, dict) else {}
        shown = {**self.form.offered(), **self.form.updates(self.form.kept(settings))}
        shown |= self._switched.restored(settings)
        for panel in self._panels:
            shown |= panel.restored(memory.get(panel.kind.field))
        return {**shown, **self.part.updates(settings)}

    def taken(self, recipe: Recipe) -> Updates:
        """Show the words of a picture that comes to be drawn over, and what drew it."""
        filled = self.form.filled(recipe)
        return self.form.updates({name: filled[name] for name in TAKEN if name in filled})

    def whole(self) -> Updates:
        """Show no margins."""
        return self.part.updates(dict.fromkeys(MARGINS, 0))

    def restored(self, recipe: Recipe) -> Updates:
        """Show all of an edit's settings."""
        assert recipe.edit is not None
        updates = {**self.form.updates(self.form.filled(recipe)), **self._switched.of(recipe)}
        for panel in self._panels:
            updates |= panel.of(recipe)
        return {**updates, **self.part.updates(recipe.edit.model_dump())}

    def missing(self, recipe: Recipe) -> list[str]:
        """What of an edit's settings cannot be shown here, a line each."""
        notes = []
        if not self.form.has_model(recipe.model):
            notes.append(f"Not restored: Model {recipe.model!r} is not here; the one chosen stays.")
        if not self.form.has_vae(recipe.vae):
            notes.append(f"Not restored: VAE {recipe.vae!r} is not here; the one chosen stays.")
        return notes
