"""What pictures come of each other. Knows entries and recipes, and not how either is stored."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gallery.entry import Entry
from pipelines.recipe import Recipe

MOST_RELATIVES = 500  # of one family, nearest first


@dataclass(frozen=True)
class Family:
    """Everybody related to one picture, oldest first, and the ids of the parents of those who have any.

    ``complete`` is False where there are more than ``MOST_RELATIVES``.
    """

    members: tuple[Entry, ...]
    parents: Mapping[str, tuple[str, ...]]
    complete: bool


def pictures_of(recipe: Recipe) -> tuple[str, ...]:
    """The pictures that ``recipe`` is made with, by their SHA-256, each once."""
    return tuple(dict.fromkeys(name for _, name in recipe.pictures()))


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
