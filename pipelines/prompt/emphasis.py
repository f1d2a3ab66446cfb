"""Weights within a text, and BREAK: ``(word:1.2)``, ``((word))``, ``[word]``. Knows no tokens.

AUTOMATIC1111's arithmetic: round brackets are a factor of 1.1 or the one given, square ones of 1/1.1, and all
that are open multiply. Brackets of the two kinds may cross. One that is never closed counts to the end, one
that closes nothing is a character. A backslash makes the next bracket or backslash a character; alone it
vanishes.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from models.chunks import Run, Text

ROUND, SQUARE = 1.1, 1 / 1.1
MOST_WEIGHT = 100.0
_TOKEN = re.compile(
    r"\\[()\[\]\\]|\\|[(\[\]]|(?::\s{0,9}(?P<weight>[+-]?(?:\d+(?:\.\d*)?|\.\d+))\s{0,9})?\)|[^\\()\[\]:]+|:"
)
_BREAK = re.compile(r"\bBREAK\b")


def runs(text: str) -> Text:
    """``text`` as runs of one weight between its BREAKs.

    Raises ``ValueError`` for a weight beyond ``MOST_WEIGHT`` on either side of 0: no picture comes of it.
    """
    parts: list[list[Run]] = [[]]
    for words, weight, at in _weighed(text):
        if not abs(weight) <= MOST_WEIGHT:  # nor is it a NaN
            raise ValueError(
                f"got a weight of {weight:.3g} at character {at + 1}; allowed: from -100 to 100."
            )
        first, *others = [words[1:]] if words.startswith("\\") else _BREAK.split(words)
        _append(parts[-1], first.rstrip() if others else first, weight)
        for k, piece in enumerate(others, 1):
            parts.append([])
            _append(parts[-1], piece.strip() if k < len(others) else piece.lstrip(), weight)
    return tuple(map(tuple, parts))


def typed(text: Text) -> str:
    """A text that ``runs`` reads as ``text``."""
    return " BREAK ".join(_typed(part) for part in text)


def _typed(part: Sequence[Run]) -> str:
    whole = "".join(_bracketed(run) for run in part)
    # A backslash vanishes, and keeps the space beside it from vanishing with a BREAK.
    before = "\\" if whole[:1].isspace() else ""
    after = "\\" if whole[-1:].isspace() else ""
    return before + whole + after


def _bracketed(run: Run) -> str:
    words = _BREAK.sub(r"B\\REAK", re.sub(r"[()\[\]\\]", r"\\\g<0>", run.words))
    return words if run.weight == 1 else f"({words}:{Decimal(repr(run.weight)):f})"


def _append(part: list[Run], words: str, weight: float) -> None:
    if part and part[-1].weight == weight:
        part[-1] = Run(part[-1].words + words, weight)
    elif words:
        part.append(Run(words, weight))


def _weighed(text: str) -> Iterator[tuple[str, float, int]]:
    """(token, weight, where it begins) of all that are no brackets; an escape is one with its backslash."""
    tokens = list(_TOKEN.finditer(text))
    opened, closing = _pairs(tokens)
    products = {"(": [1.0], "[": [1.0]}  # of the brackets of a kind that are open now
    for k, token in enumerate(tokens):
        if k in opened:
            kind = products[token[0]]
            kind.append(kind[-1] * opened[k])
        elif k in closing:
            products[closing[k]].pop()
        else:
            yield token[0], products["("][-1] * products["["][-1], token.start()


def _pairs(tokens: Sequence[re.Match[str]]) -> tuple[dict[int, float], dict[int, str]]:
    """(the factor of each opening bracket, the kind that each closing one ends), by number of token."""
    factors: dict[int, float] = {}
    closing: dict[int, str] = {}
    open_: dict[str, list[int]] = {"(": [], "[": []}
    for k, token in enumerate(tokens):
        what = token[0]
        if what in open_:
            open_[what].append(k)
            factors[k] = ROUND if what == "(" else SQUARE
        elif what.endswith(")") and not what.startswith("\\") and open_["("]:
            closing[k] = "("
            factors[open_["("].pop()] = float(token["weight"] or ROUND)
        elif what == "]" and open_["["]:
            closing[k] = "["
            open_["["].pop()
    return factors, closing
