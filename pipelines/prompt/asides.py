"""What stands in a prompt and is not drawn from: comments, and LoRAs to attach. Knows no models."""

import re
from typing import NamedTuple

_COMMENT = re.compile(r"\\.|#[^\n]*", re.DOTALL)
_LORA = re.compile(r"<lora:([^:<>]+)(?::([^<>]*))?>")


class Lora(NamedTuple):
    """``<lora:name:0.8>``."""

    name: str
    weight: float


def without_comments(text: str) -> str:
    """``text`` without what stands from a ``#`` to the end of its line; ``\\#`` is no comment."""
    return _COMMENT.sub(lambda found: found[0] if found[0].startswith("\\") else "", text)


def without_asides(text: str) -> str:
    """``text`` without its comments and LoRAs."""
    return _LORA.sub("", without_comments(text))


def loras(text: str) -> tuple[Lora, ...]:
    """The LoRAs of ``text`` outside its comments. A weight that is not given is 1.

    Raises ``ValueError`` where a weight is no number.
    """
    return tuple(_lora(*found.groups()) for found in _LORA.finditer(without_comments(text)))


def _lora(name: str, weight: str | None) -> Lora:
    if weight is None:
        return Lora(name, 1.0)
    if not re.fullmatch(r"\s*[+-]?(\d{1,6}(\.\d{0,12})?|\.\d{1,12})\s*", weight):
        raise ValueError(f"got <lora:{name[:40]}:{weight[:40]}>; allowed: <lora:name:weight>, a number.")
    return Lora(name, float(weight))
