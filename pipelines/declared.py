"""What the declaration of a field says of it: all that a form, a command line or a message needs.

Knows no particular field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel


class Choice(Protocol):
    """An entry of a table to choose from."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def help(self) -> str: ...


TYPES: dict[str, type[str] | type[int] | type[float] | type[bool]] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
}


@dataclass(frozen=True)
class FieldSpec:
    """One field of the recipe as its declaration gives it: all that a form or a command line needs."""

    name: str
    label: str
    help: str
    type: type[str] | type[int] | type[float] | type[bool]
    default: str | int | float | None
    optional: bool = False  # None (empty) is allowed
    minimum: float | None = None
    above: bool = False  # the minimum itself is not allowed
    maximum: float | None = None
    step: float | None = None
    multiple_of: int | None = None
    min_length: int | None = None  # characters
    max_length: int | None = None
    choices: tuple[Choice, ...] = ()

    @property
    def allowed(self) -> str:
        """What may be given, in words."""
        if self.choices:
            return "one of " + ", ".join(choice.name for choice in self.choices)
        if self.type is str:
            least = f"{self.min_length} to" if self.min_length else "at most"
            least = "exactly" if self.min_length == self.max_length else least
            return f"text of {least} {self.max_length} characters" + (", or none" if self.optional else "")
        if self.type is bool:
            return "true or false"
        kind = "a whole number" if self.type is int else "a number"
        several = f" that is a multiple of {self.multiple_of}" if self.multiple_of else ""
        empty = ", or empty" if self.optional else ""
        least = f"above {self.minimum:g}, up to" if self.above else f"from {self.minimum:g} to"
        return f"{kind} {least} {self.maximum:.10g}{several}{empty}"


def spec_of(of: type[BaseModel], name: str, choices: Mapping[str, Choice]) -> FieldSpec:
    """Of the field ``name`` of ``of``, whose value is one of ``choices`` where there are some."""
    schema = of.model_json_schema()["properties"][name]
    optional = "anyOf" in schema
    bounds = schema["anyOf"][0] if optional else schema
    return FieldSpec(
        name=name,
        label=schema["title"],
        help=schema["description"],
        type=TYPES[bounds["type"]],
        default=schema.get("default"),
        optional=optional,
        minimum=bounds.get("minimum", bounds.get("exclusiveMinimum")),
        above="exclusiveMinimum" in bounds,
        maximum=bounds.get("maximum"),
        step=schema.get("step"),
        multiple_of=bounds.get("multipleOf"),
        min_length=bounds.get("minLength"),
        max_length=bounds.get("maxLength"),
        choices=tuple(choices.values()),
    )


def short(value: object) -> str:
    """A value as a message may show it: 40 characters, and the length of a longer text."""
    text = "nothing" if value is None else repr(value)
    if len(text) <= 40:
        return text
    length = f" ({len(value)} characters)" if isinstance(value, str) else ""
    return text[:40] + "…" + length
