"""A grid of pictures that differ in two or three settings: what is typed for its axes, and its recipes.

Values are separated by commas; in quotes they may hold commas. Of numbers there are ranges as AUTOMATIC1111
writes them: ``1-5``, ``4-20 (+4)``, ``0-1 [5]`` (five values from 0 to 1). Knows no jobs and no pictures.
"""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from pipelines.prompt import PARTIAL
from pipelines.recipe import LISTS, FieldSpec, Recipe, RecipeError, fields, influence_fields, part_fields

MOST = 100  # pictures of a grid
LORA = re.compile(rf"(<lora:[^:<>]+)(?::[^<>]*?)??(:{PARTIAL})?(>)")
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_RANGE = re.compile(rf"{_NUMBER}\s*-\s*{_NUMBER}\s*(?:\(\s*\+?{_NUMBER}\s*\)|\[\s*(\d+)\s*\])?")
INSIDE = {  # a part of the recipe, or a list of it (all of which are changed) -> its fields that are axes
    "edit": ("strength", "content", "area", "padding", "feather", "grow"),
    "hires": ("scale", "strength", "steps", "upscaler"),
    "variation": ("strength", "seed"),
    "controls": ("weight", "start", "end"),
    "references": ("weight", "start", "end"),
    "regions": ("weight",),
}
_ALL = "count", "prompt", "negative"  # fields that are no axis: the texts are searched instead


@dataclass(frozen=True)
class Axis:
    """What differs along one side of the grid: labels, and how each changes a recipe."""

    name: str
    labels: tuple[str, ...]
    change: Callable[[Recipe, int], Recipe]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Cell:
    """One picture of the grid: its place along x, y and z, and its recipe."""

    place: tuple[int, int, int]
    recipe: Recipe


def axes() -> dict[str, str]:
    """What an axis may be: name -> label."""
    own = {spec.name: spec.label for spec in fields() if spec.name not in _ALL}
    nested = {
        f"{part}.{name}": _named(part, _spec(f"{part}.{name}")) for part in INSIDE for name in INSIDE[part]
    }
    return {**own, "replace": "Search and replace", "lora": "LoRA weight", **nested}


def _noun(part: str) -> str:
    return LISTS[part][0] if part in LISTS else str(Recipe.model_fields[part].title)


def _named(part: str, spec: FieldSpec | None) -> str:
    """A label of the part that says which part it is."""
    assert spec is not None
    noun = _noun(part)
    if spec.label.startswith(noun.split()[0]):
        return spec.label
    return f"{noun} {spec.label[0].lower()}{spec.label[1:]}"


def _spec(name: str) -> FieldSpec | None:
    """The declaration of what the axis ``name`` changes; None where that is the prompt."""
    part, dot, field = name.partition(".")
    within = fields() if not dot else influence_fields(part) if part in LISTS else part_fields(part)
    return next((spec for spec in within if spec.name == (field or name)), None)


def axis(name: str, text: str) -> Axis:
    """The axis ``name`` with the values in ``text``. Raises ``RecipeError``, which names the axis."""
    if name not in axes():
        raise RecipeError(f"Axis: got {name[:40]!r}; allowed: {', '.join(axes())}.")
    label = axes()[name]
    values = _split(text)
    if not values:
        raise RecipeError(f"{label}: got no values; allowed: some, separated by commas.")
    if name == "replace":
        return Axis(label, values, partial(_replaced, values))
    spec = _spec(name)
    typed = _typed(label, values, spec)
    labels = tuple(_told(value, spec) for value in typed)
    if spec is None:
        return Axis(label, labels, lambda recipe, k: _weighed(recipe, float(typed[k])))
    if "." in name:
        return Axis(label, labels, lambda recipe, k: _changed_inside(recipe, name, label, typed[k]))
    return Axis(label, labels, lambda recipe, k: _changed(recipe, name, typed[k]))


def cells(recipe: Recipe, sides: Sequence[Axis]) -> tuple[Cell, ...]:
    """Every picture of the grid of ``recipe`` along up to three ``sides``, row by row.

    Raises ``RecipeError`` where a value may not be, or there are more than ``MOST``.
    """
    assert 1 <= len(sides) <= 3
    x, y, z = (*map(len, sides), 1, 1)[:3]
    if x * y * z > MOST:
        raise RecipeError(f"Grid: got {x * y * z} pictures; allowed: at most {MOST}.")
    made = []
    for place in product(range(z), range(y), range(x)):
        one = recipe.model_copy(update={"count": 1, "levels": None, "hires_levels": None, "words": None})
        for side, k in zip(sides, reversed(place), strict=False):
            one = side.change(one, k)
        made.append(Cell((place[2], place[1], place[0]), Recipe.read(one.model_dump())))
    return tuple(made)


def _split(text: str) -> tuple[str, ...]:
    lines = csv.reader([" ".join(text.splitlines())], skipinitialspace=True)
    return tuple(value.strip() for row in lines for value in row if value.strip())


def _typed(label: str, values: Sequence[str], spec: FieldSpec | None) -> list[Any]:
    """The values as the field has them; ``spec`` is None for a LoRA's weight."""
    if spec is not None and spec.type is str:
        return [_chosen(value, spec) for value in values]
    kind = float if spec is None or spec.type is float else int
    found: list[Any] = []
    for value in values:
        if spec is not None and spec.optional and value.lower() == "none":
            found.append(None)
            continue
        try:
            found += _range(value, kind) or [kind(value)]
        except ValueError:
            told = "a number or a range as 1-5, 4-20 (+4) or 0-1 [5]"
            raise RecipeError(f"{label}: got {value[:40]!r}; allowed: {told}.") from None
        if len(found) > MOST:
            raise RecipeError(f"{label}: got more than {MOST} values; allowed: at most {MOST}.")
    return found


def _range(value: str, kind: type[int] | type[float]) -> list[Any]:
    """The numbers of a range; nothing where ``value`` is none."""
    if (told := _RANGE.fullmatch(value)) is None:
        return []
    low, high = float(told[1]), float(told[2])
    if told[4]:
        many = int(told[4])
        if not 1 < many <= MOST:
            raise ValueError
        numbers = [low + (high - low) * k / (many - 1) for k in range(many)]
    else:
        step = float(told[3] or 1)
        if step == 0 or (high - low) / step < 0 or (high - low) / step > MOST:
            raise ValueError
        numbers = [low + step * k for k in range(int((high - low) / step + 1e-9) + 1)]
    return [kind(round(number, 6)) for number in numbers]


def _chosen(value: str, spec: FieldSpec) -> str:
    """A choice by its name or its label, in any case; other texts as they are."""
    for choice in spec.choices:
        if value.lower() in (choice.name.lower(), choice.label.lower()):
            return choice.name
    return value


def _told(value: Any, spec: FieldSpec | None) -> str:
    if spec is not None and spec.choices:
        return next((choice.label for choice in spec.choices if choice.name == value), str(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _changed(recipe: Recipe, name: str, value: Any) -> Recipe:
    return recipe.model_copy(update={name: value})


def _changed_inside(recipe: Recipe, name: str, label: str, value: Any) -> Recipe:
    part, _, field = name.partition(".")
    given = getattr(recipe, part)
    if not given:
        raise RecipeError(f"{label}: got settings without {_noun(part)}; allowed: some with it.")
    if isinstance(given, tuple):
        return _changed(recipe, part, tuple(one.model_copy(update={field: value}) for one in given))
    return _changed(recipe, part, given.model_copy(update={field: value}))


def _replaced(values: Sequence[str], recipe: Recipe, k: int) -> Recipe:
    """As AUTOMATIC1111 does it: the first value is what is searched, and stays in the first picture."""
    texts = {"prompt": recipe.prompt, "negative": recipe.negative}
    if not any(values[0] in text for text in texts.values()):
        raise RecipeError(
            f"Prompt: search and replace: got {values[0][:40]!r}; allowed: words of the prompt."
        )
    return recipe.model_copy(
        update={name: text.replace(values[0], values[k]) for name, text in texts.items()}
    )


def _weighed(recipe: Recipe, weight: float) -> Recipe:
    prompt, many = LORA.subn(rf"\g<1>:{weight:g}\g<2>\g<3>", recipe.prompt)
    if not many:
        raise RecipeError("LoRA weight: got a prompt without LoRAs; allowed: one with <lora:name:weight>.")
    return recipe.model_copy(update={"prompt": prompt})
