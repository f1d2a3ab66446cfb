"""The parts of a recipe that are off until somebody switches them on: hires fix, variation, tiles.

Knows no part in particular and no engine.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from pipelines.recipe import Recipe
from ui.part import Part

PARTS = ("hires", "variation", "tiles")


class Switched:
    """An accordion with a switch for each of ``parts``, made where it is to stand. The style sheet shows the
    boxes of those that are on. ``prefix`` begins the ids, which must differ where a page has several."""

    def __init__(self, parts: Sequence[str] = PARTS, prefix: str = "") -> None:
        self._prefix = prefix
        self._parts = {name: Part(name, prefix=prefix) for name in parts}
        self._switches: dict[str, Component] = {}
        titles = [str(Recipe.model_fields[name].title) for name in parts]
        said = ", ".join([titles[0], *map(str.lower, titles[1:])])
        with gr.Accordion(said, open=False, elem_id=f"{prefix}switched"):
            for name, title in zip(parts, titles, strict=True):
                self._make(name, title)

    def _make(self, name: str, title: str) -> None:
        part, told = self._parts[name], Recipe.model_fields[name].description
        with gr.Column(elem_classes="switched", elem_id=f"{self._prefix}switched-{name}"):
            self._switches[name] = gr.Checkbox(
                False, label=title, info=told, elem_id=f"{self._prefix}{name}-on"
            )
            fields = part.fields
            for pair in zip(fields[::2], fields[1::2], strict=True):
                with gr.Row(elem_classes="pair"):
                    for field in pair:
                        part.make(field)
        part.unmade()

    @property
    def components(self) -> list[Component]:
        """Each switch, and the boxes that it is for."""
        return [one for name, part in self._parts.items() for one in (self._switches[name], *part.components)]

    @property
    def names(self) -> list[str]:
        """What the browser keeps the values of the components under."""
        return [
            key
            for name, part in self._parts.items()
            for key in (name, *(f"{name}-{box}" for box in part.names))
        ]

    def put_into(self, recipe: Recipe, values: Sequence[Any]) -> Recipe:
        """``recipe`` with those parts that are on, by the components' ``values``. Raises ``RecipeError``."""
        shown = dict(zip(self.names, values, strict=True))
        given = {
            name: {box: shown[f"{name}-{box}"] for box in part.names} if shown[name] else None
            for name, part in self._parts.items()
        }
        return Recipe.read(recipe.model_dump() | given)

    def of(self, recipe: Recipe) -> dict[Block, Any]:
        """What a listener returns to show the parts of ``recipe``; those that it lacks are switched off."""
        updates: dict[Block, Any] = {}
        for name, part in self._parts.items():
            given = getattr(recipe, name)
            updates[self._switches[name]] = gr.update(value=given is not None)
            updates |= part.updates(given.model_dump() if given is not None else {})
        return updates

    def restored(self, kept: Mapping[str, Any]) -> dict[Block, Any]:
        """What a listener returns to show what a browser kept, as far as it can be shown."""
        updates: dict[Block, Any] = {}
        for name, part in self._parts.items():
            if isinstance(on := kept.get(name), bool):
                updates[self._switches[name]] = gr.update(value=on)
            keys = {box: f"{name}-{box}" for box in part.names}
            updates |= part.updates({box: kept[key] for box, key in keys.items() if key in kept})
        return updates
