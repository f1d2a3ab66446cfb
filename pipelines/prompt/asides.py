"""What stands in a prompt and is not drawn from: comments, and LoRAs to attach. Knows no models."""

import re
from typing import NamedTuple

from pipelines.prompt.editing import stages

_COMMENT = re.compile(r"\\.|#[^\n]*", re.DOTALL)
_MARK = "\uffff"  # is in no text
_MARKED = re.compile(rf"{_MARK}(\d+){_MARK}")
PARTIAL = "partial"
_NUMBER = re.compile(r"\s*[+-]?(\d{1,6}(\.\d{0,12})?|\.\d{1,12})\s*")
_LORA = re.compile(r"<lora:([^:<>]+)(?::([^<>]*))?>")


class Lora(NamedTuple):
    """``<lora:name:0.8>``; ``<lora:name:0.8:0.5>`` has a second weight for the U-Net, as AUTOMATIC1111's, and
    ``<lora:name:0.8:partial>`` draws with what of the file fits the model."""

    name: str
    weight: float
    unet: float | None = None  # as ``weight``
    partial: bool = False


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


def lora_stages(text: str, steps: int) -> tuple[tuple[int, tuple[Lora, ...]], ...]:
    """(last step, the LoRAs of ``text`` up to and with it) over ``steps`` steps: they may be edited and
    alternate as words do, ``[<lora:ink:0.8>:0.3]`` from 30 % of the steps on, ``[<lora:ink:0.8>::0.7]``
    until 70 %. Raises ``ValueError`` where a weight is no number.
    """
    text = without_comments(text).replace(_MARK, "")
    named = [_lora(*found.groups()) for found in _LORA.finditer(text)]
    numbers = iter(range(len(named)))
    marked = _LORA.sub(lambda _: f"{_MARK}{next(numbers)}{_MARK}", text)  # whose colons would cut an edit
    told: list[tuple[int, tuple[Lora, ...]]] = []
    for last, words in stages(marked, steps):
        there = tuple(named[int(number)] for number in _MARKED.findall(words))
        if told and told[-1][1] == there:
            told.pop()
        told.append((last, there))
    return tuple(told)


def _lora(name: str, told: str | None) -> Lora:
    fields = [] if told is None else told.split(":")
    if partial := bool(fields) and fields[-1].strip() == PARTIAL:
        fields.pop()
    if len(fields) > 2 or not all(_NUMBER.fullmatch(field) for field in fields):
        got = f"<lora:{name[:40]}:{(told or '')[:40]}>"
        allowed = f"a number, then perhaps another for the U-Net, then perhaps :{PARTIAL}"
        raise ValueError(f"got {got}; allowed: <lora:name:weight>, {allowed}.")
    weight = float(fields[0]) if fields else 1.0
    return Lora(name, weight, float(fields[1]) if len(fields) > 1 else None, partial)
