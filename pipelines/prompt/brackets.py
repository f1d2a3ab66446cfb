"""Brackets within a text, and where they are wrong. Knows nothing of what they mean.

Nothing is refused: a bracket without its other half is a character like any other, as AUTOMATIC1111 has it.
Reading takes time linear in the text, and no recursion however deep the brackets are.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

CLOSING = {"(": ")", "[": "]", "{": "}"}
OPENING = {closing: opening for opening, closing in CLOSING.items()}
CUTS = {"(": "", "[": ":|", "{": "|"}  # what separates the parts of what is between
_TOKEN = re.compile(r"\\.|[()\[\]{}:|]|[^\\()\[\]{}:|]+|\\", re.DOTALL)
MOST_TOLD = 8  # mistakes; who mistypes one bracket does not read more


@dataclass(frozen=True)
class Group:
    """A pair of brackets and what is between them, cut at the separators of its own depth."""

    opening: str
    parts: "tuple[tuple[Piece, ...], ...]"  # one more than cuts
    cuts: str
    size: int  # characters, the brackets and separators included

    def literal(self) -> "Iterable[Piece]":
        """Its pieces as they were typed."""
        yield self.opening
        yield from _rejoined(self.parts, self.cuts)
        yield CLOSING[self.opening]


Piece: TypeAlias = str | Group
Meaning: TypeAlias = Callable[[Group], Iterable[Piece]]


class Mistake(NamedTuple):
    """A bracket without its other half."""

    at: int  # from 0
    bracket: str

    def __str__(self) -> str:
        what = "is never closed" if self.bracket in CLOSING else "closes nothing"
        return f"{self.bracket} at character {self.at + 1} {what}"


@dataclass
class _Open:
    opening: str
    parts: list[list[Piece]] = field(default_factory=lambda: [[]])
    cuts: str = ""

    def closed(self) -> Group:
        size = 2 + len(self.cuts) + sum(map(characters, self.parts))
        return Group(self.opening, tuple(map(tuple, self.parts)), self.cuts, size)


def pieces(text: str, kinds: str = "([{") -> tuple[Piece, ...]:
    """``text`` as characters and groups; only brackets of ``kinds`` count, and a backslash escapes one."""
    top = _Open("")
    open_: list[_Open] = [top]
    for token in _TOKEN.findall(text):
        now = open_[-1]
        if token in CLOSING and token in kinds:
            open_.append(_Open(token))
        elif OPENING.get(token) == now.opening and now is not top:
            open_.pop()
            open_[-1].parts[-1].append(now.closed())
        elif now is not top and token in CUTS[now.opening]:
            now.cuts += token
            now.parts.append([])
        else:
            now.parts[-1].append(token)
    for unclosed in open_[1:]:
        top.parts[-1].append(unclosed.opening)
        top.parts[-1].extend(_rejoined(unclosed.parts, unclosed.cuts))
    return tuple(top.parts[-1])


def characters(some: Iterable[Piece]) -> int:
    """How long ``some`` pieces are as they were typed."""
    return sum(len(piece) if isinstance(piece, str) else piece.size for piece in some)


def flat(some: Iterable[Piece], meaning: Meaning = Group.literal) -> str:
    """The text of ``some`` pieces, every group replaced by its ``meaning``; by default, what was typed."""
    out: list[str] = []
    todo = [iter(some)]
    while todo:
        piece = next(todo[-1], None)
        if piece is None:
            todo.pop()
        elif isinstance(piece, str):
            out.append(piece)
        else:
            todo.append(iter(meaning(piece)))
    return "".join(out)


def groups(some: Iterable[Piece]) -> Iterable[Group]:
    """All groups among ``some`` pieces, however deep."""
    todo = list(some)
    while todo:
        piece = todo.pop()
        if isinstance(piece, Group):
            yield piece
            todo.extend(inner for part in piece.parts for inner in part)


def mistakes(text: str) -> tuple[Mistake, ...]:
    """The first few brackets of ``text`` that have no other half, in order; comments are not looked at."""
    found: list[Mistake] = []
    open_: list[Mistake] = []
    at = dict.fromkeys(CLOSING, 0)  # how many of each are open
    for match in re.finditer(r"\\.|#[^\n]*|[()\[\]{}]", text, re.DOTALL):
        token = match[0]
        if token in CLOSING:
            open_.append(Mistake(match.start(), token))
            at[token] += 1
        elif token in OPENING and not at[OPENING[token]]:
            found.append(Mistake(match.start(), token))
        elif token in OPENING:
            while (last := open_.pop()).bracket != OPENING[token]:
                at[last.bracket] -= 1
                found.append(last)
            at[last.bracket] -= 1
    return tuple(sorted([*found, *open_])[:MOST_TOLD])


def _rejoined(parts: Sequence[Sequence[Piece]], cuts: str) -> Iterable[Piece]:
    yield from parts[0]
    for cut, part in zip(cuts, parts[1:], strict=True):
        yield cut
        yield from part
