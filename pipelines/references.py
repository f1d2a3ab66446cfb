"""What a drawing takes after, step by step: a recipe's reference pictures. Runs nothing."""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

from adapters import Likeness, Likenesses, Seen
from pipelines.influences import AWAY, flat, numbered, picture_of, steps_of
from pipelines.materials import Materials
from pipelines.recipe import Recipe
from pipelines.requests import EncodeReference, Request
from pipelines.staged import Steps
from schedulers import Level


class Wanted(NamedTuple):
    """A reference of a recipe: what is to be seen, how much it counts, and in which steps (from 1)."""

    request: EncodeReference
    weight: float
    first: int
    last: int


class Taken(NamedTuple):
    """A reference that is taken after."""

    seen: Seen
    weight: float
    first: int
    last: int


def wanted(recipe: Recipe, materials: Materials) -> tuple[Wanted, ...]:
    """The references of ``recipe``. Raises ``RecipeError`` where one cannot be taken after."""
    found = []
    for number, one in enumerate(recipe.references, 1):
        with numbered("references", number):
            first, last = steps_of(one, recipe.steps)
            if not one.weight:
                continue
            if materials.ip_adapter is None:
                raise ValueError(f"got {one.adapter[:60]!r}; allowed: none, as there is no folder of them.")
            picture = flat(picture_of(one, materials.pictures))
            request = EncodeReference(materials.ip_adapter(one.adapter), one.picture, picture)
            found.append(Wanted(request, one.weight, first, last))
    return tuple(found)


def taken(some: Sequence[Wanted]) -> Generator[Request, Any, tuple[Taken, ...]]:
    """Ask for what each of them shows."""
    found = []
    for one in some:
        seen = yield one.request
        found.append(Taken(seen, one.weight, one.first, one.last))
    return tuple(found)


def likenesses_at(some: Sequence[Taken], steps: Steps, asked: int, level: Level, text: str) -> Likenesses:
    """Those of an ask at ``level`` after ``asked`` others under ``text``, one of the guidance's.

    Away from the prompt it is no picture that is seen (arXiv:2308.06721, eq. 8).
    """
    return tuple(
        Likeness(one.seen.away if text in AWAY else one.seen.there, one.weight)
        for one in some
        if steps.within(one.first, one.last, asked, level)
    )
