"""What each picture decides for itself: ``{a|b|c}``, and ``__name__`` for a line of a wildcard file.

Choices may stand within one another, and lines of wildcards may hold both. Knows no files.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from pipelines.prompt.asides import without_comments
from pipelines.prompt.brackets import Group, Piece, characters, flat, pieces

Wildcards: TypeAlias = Mapping[str, Sequence[str]]
"""Name -> lines, at least one each. The lookup may raise ``KeyError``, and ``ValueError`` with a sentence."""

Choose: TypeAlias = Callable[[int, Callable[[int], int]], int]
"""(how many options, the characters of option k) -> the number of the one that is taken."""

NAME = r"[^\W_](?:[\w/-]{0,98}?[^\W_])??"  # the shortest: a name has no two underscores
MOST_CHARACTERS = 4000  # of what a prompt expands to: as long as a prompt
MOST_FILLED, DEEPEST = 200, 8  # wildcards
_WILDCARD = re.compile(rf"(?<!\\)__({NAME})__")


def by_seed(seed: int, what: str) -> Choose:
    """The same choices for the same ``seed`` and ``what``, each as likely as the others, for ever.

    Option = BLAKE2b-64("seed what k") mod options, for the k-th choice that is made, from 0.
    """
    made = 0

    def choose(options: int, size: Callable[[int], int]) -> int:
        nonlocal made
        digest = hashlib.blake2b(f"{seed} {what} {made}".encode(), digest_size=8).digest()
        made += 1
        return int.from_bytes(digest, "big") % options

    return choose


def longest(options: int, size: Callable[[int], int]) -> int:
    """The option of most characters, for who wants to know how long a prompt may become."""
    return max(range(options), key=size)


def expanded(text: str, choose: Choose, wildcards: Wildcards) -> str:
    """``text`` with every choice made: first its own in their order, then those of its wildcards.

    Braces without a ``|`` are characters, and so is ``\\__name__``. Raises ``ValueError`` for a wildcard that
    is not there, or more than ``MOST_CHARACTERS`` characters.
    """
    if "{" not in text and "__" not in text:
        return text
    return _Expansion(choose, wildcards).of(text, 0)


class _Expansion:
    def __init__(self, choose: Choose, wildcards: Wildcards) -> None:
        self._choose = choose
        self._wildcards = wildcards
        self._filled = 0

    def of(self, text: str, depth: int) -> str:
        made = _WILDCARD.sub(lambda found: self._line(found[1], depth), flat(pieces(text), self._chosen))
        if len(made) > MOST_CHARACTERS:
            raise ValueError(f"got choices of {len(made)} characters; allowed: at most {MOST_CHARACTERS}.")
        return made

    def _chosen(self, group: Group) -> Iterable[Piece]:
        if group.opening != "{" or not group.cuts:
            return group.literal()
        parts = group.parts
        return parts[self._choose(len(parts), lambda k: characters(parts[k]))]

    def _line(self, name: str, depth: int) -> str:
        self._filled += 1
        if depth == DEEPEST or self._filled > MOST_FILLED:
            allowed = f"{DEEPEST} within one another, {MOST_FILLED} in all"
            raise ValueError(f"got more wildcards than are read, at __{name}__; allowed: {allowed}.")
        try:
            lines = self._wildcards[name]
        except KeyError:
            known = ", ".join(sorted(self._wildcards)[:20]) or "none, as this studio has no wildcards"
            raise ValueError(f"got __{name}__; allowed: {known}.") from None
        line = lines[self._choose(len(lines), lambda k: len(lines[k]))]
        return self.of(without_comments(line), depth + 1)
