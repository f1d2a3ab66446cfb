"""What pictures come of each other. Knows entries and recipes, and not how either is stored."""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from gallery.entry import Entry
from pipelines.recipe import Recipe

MOST_RELATIVES = 500  # of one family, nearest first

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Family:
    """Everybody related to one picture, oldest first, and the ids of the parents of those who have any.

    ``complete`` is False where there are more than ``MOST_RELATIVES``.
    """

    members: tuple[Entry, ...]
    parents: Mapping[str, tuple[str, ...]]
    complete: bool


def pictures_of(recipe: Recipe) -> tuple[str, ...]:
    """The pictures that ``recipe`` is made with, by their SHA-256, each once.

    They are its ControlNets', and those of whatever other part it has: its own texts are words.
    """
    found: dict[str, None] = {}
    for name in type(recipe).model_fields:
        value = getattr(recipe, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, BaseModel):
                found |= dict.fromkeys(_named(part))
    return tuple(found)


def family_of(
    first: Entry | None, parents_of: Callable[[str], list[Entry]], children_of: Callable[[str], list[Entry]]
) -> Family:
    """Everybody who is reached from ``first`` by parents and children, whichever way; nobody from None."""
    members: dict[str, Entry] = {} if first is None else {first.id: first}
    parents: dict[str, tuple[str, ...]] = {}
    todo, complete = deque(members), True
    while todo:
        member = todo.popleft()
        above = parents_of(member)
        parents[member] = tuple(parent.id for parent in above)
        for other in (*above, *children_of(member)):
            if other.id in members:
                continue
            if len(members) == MOST_RELATIVES:
                complete = False
                break
            members[other.id] = other
            todo.append(other.id)
    known = {child: tuple(one for one in ids if one in members) for child, ids in parents.items()}
    ordered = sorted(members.values(), key=lambda entry: (entry.created, entry.id))
    return Family(tuple(ordered), {child: ids for child, ids in known.items() if ids}, complete)


def _named(part: BaseModel) -> Iterator[str]:
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, str) and _SHA256.fullmatch(value):
            yield value
        elif isinstance(value, BaseModel):
            yield from _named(value)
