"""The form: one component for each field of the Recipe, made from its declaration, read back into a Recipe.

It adds one habit that is not in the recipe: a seed of -1 means a new random one. It knows no engine and
no layout; a tab asks for each component where it wants it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from pipelines.recipe import NOT_CHOSEN, OF_MODEL, FieldSpec, Recipe, fields, random_seed

RANDOM = -1  # the seed box's word for "surprise me"
SLIDERS = (
    "steps",
    "guidance",
    "rescale",
    "count",
    "strength",
)  # ranges worth sweeping; other numbers are typed


class Form:
    """Components by field name, and the way between them and a ``Recipe``."""

    def __init__(
        self,
        models: Mapping[str, Mapping[str, Any]],
        vaes: Callable[[], Collection[str]] = tuple,
        prefix: str = "",
    ) -> None:
        """``models``: name -> the settings good for it (none if not known), read whenever they are needed, as
        models come and go; the first is shown. ``vaes`` are the names of VAEs to choose from. ``prefix``
        begins the components' ids, which must differ where a page has several forms."""
        self._prefix = prefix
        self._models = models
        self._vaes = vaes
        self._specs = {spec.name: spec for spec in fields()}
        self._made: dict[str, Component] = {}

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
        default = self._start(self._first)[name]
        look = {"label": spec.label, "info": spec.help, "elem_id": f"{self._prefix}field-{name}", **look}
        if name == "model":
            made: Component = gr.Dropdown(list(self._models), value=self._first, **look)
        elif name == "vae":
            made = gr.Dropdown(self._vae_choices(), value="", **look)
        else:
            made = component(spec, RANDOM if name == "seed" else default, look)
        self._made[name] = made
        return made

    def unmade(self) -> None:
        """Our own invariant: the tab has placed every field of the recipe."""
        missing = self._specs.keys() - self._made.keys()
        assert not missing, f"the page shows no {missing}"

    def read(self, values: Sequence[Any]) -> Recipe:
        """The recipe of the components' values; raises RecipeError, which names the field.

        Seed -1, or an empty seed, becomes a random one: what is drawn always has a seed that can be shown.
        """
        given = {name: self.typed(name, v) for name, v in zip(self._made, values, strict=True)}
        if given["seed"] in (RANDOM, None):
            given["seed"] = random_seed()
        return Recipe.read(given)

    def filled(self, recipe: Recipe) -> dict[str, Any]:
        """Values that make the components show ``recipe``; a model that is not here is left out."""
        values = recipe.model_dump(exclude=set(NOT_CHOSEN))
        values |= {name: boxed(self._specs[name], values[name]) for name in self._made}
        if recipe.model not in self._models:
            del values["model"]
        if recipe.vae and recipe.vae not in self._vaes():
            del values["vae"]
        return values

    def kept(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the values a browser kept that this form can show, whether or not they may be drawn."""
        return {
            name: values[name] for name in self._made if name in values and self._shows(name, values[name])
        }

    def moved(self, before: str, values: Sequence[Any]) -> dict[str, Any]:
        """What the choice of another model changes: the settings that are still ``before``'s become its own.

        ``values`` are the components', the new model among them. Nothing where its defaults are not known.
        """
        shown = dict(zip(self._made, values, strict=True))
        if not self._good(shown["model"]):
            return {}
        old = self._start(before if before in self._models else self._first)
        new = self._start(shown["model"])
        return {name: new[name] for name in OF_MODEL if shown[name] == old[name] != new[name]}

    def _start(self, model: str) -> dict[str, Any]:
        """The values a form begins with for ``model``."""
        return {name: boxed(spec, spec.default) for name, spec in self._specs.items()} | self._good(model)

    def _good(self, model: str) -> dict[str, Any]:
        """The settings that ``model`` has of its own, of those that the form can show."""
        good = self._models.get(model, {})
        known = {name: boxed(self._specs[name], good[name]) for name in OF_MODEL if name in good}
        return {name: value for name, value in known.items() if self._shows(name, value)}

    @property
    def _first(self) -> str:
        return next(iter(self._models))

    def typed(self, name: str, value: Any) -> Any:
        """What an optional number's text says: nothing, a number, or itself (which Recipe refuses)."""
        if not self._specs[name].optional or not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return self._specs[name].type(value)
        except ValueError:
            return value

    def _shows(self, name: str, value: object) -> bool:
        spec = self._specs[name]
        if name == "model":
            return value in self._models
        if name == "vae":
            return value == "" or value in self._vaes()
        return shows(spec, value)

    def updates(self, values: Mapping[str, Any]) -> dict[Block, Any]:
        """What a listener returns to show ``values``; other components are left as they are."""
        menus = {"model": list(self._models), "vae": self._vae_choices()}
        return {
            self._made[name]: gr.update(value=value, choices=menus[name])
            if name in menus
            else gr.update(value=value)
            for name, value in values.items()
        }

    def offered(self) -> dict[Block, Any]:
        """What a listener returns to offer the models and VAEs that are there now."""
        return {self._made["model"]: self.menu(), self._made["vae"]: gr.update(choices=self._vae_choices())}

    def _vae_choices(self) -> list[tuple[str, str]]:
        return [("The model's own", ""), *((name, name) for name in self._vaes())]

    def menu(self, model: str | None = None) -> Any:
        """The update that makes the Model box offer what is there now, and show ``model`` if one is given."""
        choices = list(self._models)
        return gr.update(choices=choices) if model is None else gr.update(choices=choices, value=model)

    def has_vae(self, name: str) -> bool:
        return not name or name in self._vaes()

    def has_model(self, name: str) -> bool:
        return name in self._models


def component(spec: FieldSpec, value: Any, look: Mapping[str, Any]) -> Component:
    """The component of a field that shows ``value``, rendered here."""
    if spec.choices:
        choices = [(choice.label, choice.name) for choice in spec.choices]
        return gr.Dropdown(choices, value=str(value), filterable=False, **look)
    if spec.type is bool:
        return gr.Checkbox(value=bool(value), **look)
    if spec.type is str:
        return gr.Textbox(value=str(value), **look)
    if spec.optional:  # Gradio's number box shows an empty value as 0, which is another value
        return gr.Textbox(value=boxed(spec, value), max_lines=1, **look)
    if spec.name in SLIDERS:
        bounds = {"minimum": spec.minimum, "maximum": spec.maximum, "step": spec.step}
        return gr.Slider(value=_number(value), buttons=[], **bounds, **look)
    return gr.Number(value=_number(value), step=spec.step or 1, **look)


def boxed(spec: FieldSpec, value: Any) -> Any:
    """A field's value as its component has it: an optional number is a text, which may be empty."""
    if not spec.optional or isinstance(value, str):
        return value
    return "" if value is None else f"{value:g}" if isinstance(value, int | float) else value


def shows(spec: FieldSpec, value: object) -> bool:
    """Whether the component of a field can show ``value``, whether or not it may be drawn."""
    if spec.choices:
        return value in [choice.name for choice in spec.choices]
    if spec.type is bool:
        return isinstance(value, bool)
    if spec.type is str or spec.optional:
        return isinstance(value, str)
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _number(default: Any) -> float | None:
    return None if isinstance(default, str) else default
