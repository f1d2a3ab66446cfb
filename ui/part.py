"""The boxes of a part of the recipe (such as its edit), made from its declarations and read back into values.

Knows no layout; a tab asks for each component where it wants it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from pipelines.recipe import part_fields
from ui.form import component, shows


class Part:
    """Components by field name. ``without`` are the fields that no box is for; ``prefix`` begins the
    components' ids, which must differ where a page has the part several times."""

    def __init__(self, part: str, without: Collection[str] = (), prefix: str = "") -> None:
        self._begin = f"{prefix}{part}"
        self._specs = {spec.name: spec for spec in part_fields(part) if spec.name not in without}
        self._made: dict[str, Component] = {}

    @property
    def fields(self) -> list[str]:
        """The names that ``make`` takes."""
        return list(self._specs)

    @property
    def names(self) -> list[str]:
        return list(self._made)

    @property
    def components(self) -> list[Component]:
        return list(self._made.values())

    def __getitem__(self, name: str) -> Component:
        return self._made[name]

    def make(self, name: str, **look: Any) -> Component:
        """The component of field ``name``, rendered here; ``look`` is passed on to Gradio."""
        spec = self._specs[name]
        look = {"label": spec.label, "info": spec.help, "elem_id": f"{self._begin}-{name}", **look}
        self._made[name] = component(spec, spec.default, look)
        return self._made[name]

    def unmade(self) -> None:
        """Our own invariant: the tab has placed every field."""
        missing = self._specs.keys() - self._made.keys()
        assert not missing, f"the page shows no {missing}"

    def read(self, values: Sequence[Any]) -> dict[str, Any]:
        """Values of the recipe's part, not yet checked."""
        return dict(zip(self._made, values, strict=True))

    def updates(self, values: Mapping[str, Any]) -> dict[Block, Any]:
        """What a listener returns to show those of ``values`` that the boxes can show."""
        return {
            made: gr.update(value=values[name])
            for name, made in self._made.items()
            if name in values and shows(self._specs[name], values[name])
        }
