"""The offer to run an edit again that a recipe describes, where every picture that it names is kept here.

Knows no canvas; ``ui/edit.py`` restores what is taken up.
"""

import gradio as gr
from gradio.components import Component

from gallery import Gallery, Inputs
from pipelines.recipe import LISTS, Recipe, part_fields
from ui.watch import Updates

OFFERED = "Not restored: Edit, which Create has no place for. “Re-run this edit” restores it, in Edit."
NOT_OFFERED = "Not restored: Edit. It cannot be run again here:"


class Rerun:
    """A button, made where it is to stand; ``prefix`` begins its id, which must differ where a page has
    several. ``recipe`` holds the one that is offered."""

    def __init__(self, gallery: Gallery, prefix: str) -> None:
        self._inputs = gallery.inputs
        self.button = gr.Button("Re-run this edit", elem_id=f"{prefix}rerun", visible=False, size="sm")
        self.recipe = gr.State(None)

    @property
    def outputs(self) -> list[Component]:
        """What ``offered`` changes."""
        return [self.button, self.recipe]

    def offered(self, recipe: Recipe | None = None) -> Updates:
        """Offer the edit of ``recipe``, where it has one that can be run here; else nothing."""
        able = recipe is not None and recipe.edit is not None and not missing(recipe, self._inputs)
        return {self.button: gr.update(visible=able), self.recipe: recipe if able else None}

    def notes(self, recipe: Recipe) -> tuple[str, ...]:
        """What is to be said of it, a line each; nothing of a recipe without an edit."""
        if recipe.edit is None:
            return ()
        gone = missing(recipe, self._inputs)
        return (NOT_OFFERED, *gone) if gone else (OFFERED,)


def missing(recipe: Recipe, inputs: Inputs) -> list[str]:
    """A line for each picture that ``recipe`` is made with and that ``inputs`` do not keep."""
    return [
        f"{label}: got {name}, which is not here; allowed: one that is."
        for label, name in _named(recipe)
        if inputs.file(name) is None
    ]


def _named(recipe: Recipe) -> list[tuple[str, str]]:
    """(what it is called, its SHA-256) of each."""
    found = []
    if recipe.edit is not None:
        labels = {spec.name: spec.label for spec in part_fields("edit")}
        given = {kind: getattr(recipe.edit, kind) for kind in ("picture", "mask", "sketch")}
        found += [(labels[kind], name) for kind, name in given.items() if name is not None]
    for field, (label, _) in LISTS.items():
        kind = "mask" if field == "regions" else "picture"
        found += [(f"{label} {k}", getattr(one, kind)) for k, one in enumerate(getattr(recipe, field), 1)]
    return found
