"""Prompts joined by AND, each with its weight. Knows no guidance."""

import re
from typing import NamedTuple

MOST_PARTS = 8
LARGEST = 100.0
_WEIGHT = re.compile(r"[+-]?(?:[0-9]+\.?|[0-9]*\.[0-9]+)")  # as AUTOMATIC1111's re_weight


class Part(NamedTuple):
    """One of the prompts that are joined by AND."""

    text: str
    weight: float


def parts(prompt: str) -> tuple[Part, ...]:
    """``a cat AND a dog :0.7`` -> a cat with weight 1, a dog with weight 0.7 (AUTOMATIC1111's notation).

    A weight counts only beside an AND: the colon of a single prompt is a colon. Raises ``ValueError`` for
    more than ``MOST_PARTS`` parts, an empty part, a weight over ``LARGEST`` or weights that add up to
    nothing. One may be below 0, which leads away from its prompt; but where no text without a prompt is asked
    for, the answer is their mean.
    """
    texts = cut(prompt)
    if len(texts) == 1:
        return (Part(prompt, 1.0),)
    if len(texts) > MOST_PARTS:
        raise ValueError(f"got {len(texts)} parts joined by AND; allowed: at most {MOST_PARTS}.")
    found = tuple(_part(text) for text in texts)
    for number, part in enumerate(found, 1):
        if not part.text:
            raise ValueError(f"got no words in part {number} of those joined by AND; allowed: words in each.")
        if abs(part.weight) > LARGEST:
            raise ValueError(f"got a weight of {part.weight:g} in part {number} of those joined by AND; "
                             f"allowed: from -{LARGEST:g} to {LARGEST:g}.")  # fmt: skip
    if sum(part.weight for part in found) <= 0:
        raise ValueError("got weights that add up to nothing; allowed: a sum above 0.")
    return found


def cut(prompt: str) -> list[str]:
    """The texts between the ANDs of ``prompt``, with their weights."""
    return re.split(r"\bAND\b", prompt)


def _part(text: str) -> Part:
    words, colon, weight = text.rpartition(":")
    if not colon or not _WEIGHT.fullmatch(weight.strip()):
        return Part(text.strip(), 1.0)
    return Part(words.strip(), float(weight))
