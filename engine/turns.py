"""Whose pictures share the next call: room, and turns where there is none. Pure policy over live pictures."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from engine.batch import Kind, kind_of
from engine.budget import RowBudget
from engine.picture import Picture

SHARERS = 4  # so many users draw at once even where one picture fills a call


class Turns:
    """Remembers only when each user with live pictures was last served."""

    def __init__(self, budget: RowBudget) -> None:
        self._budget = budget
        self._last: dict[str, int] = {}  # user -> turn
        self._turn = 0

    def room_for(self, user: str, live: Sequence[Picture]) -> bool:
        """Whether another picture of ``user`` may join the live ones.

        It may while a call has room. It also may if the user has none yet, and few users draw or one of them
        has several: then they take turns, and nobody waits for another's whole batch.
        """
        load = sum(rows / self._budget.rows(kind) for picture in live for kind, rows in _rows(picture))
        owners = [picture.job.user for picture in live]
        users = set(owners)
        return load < 1 or (user not in users and (len(users) < SHARERS or len(users) < len(owners)))

    def choose(self, live: Sequence[Picture]) -> list[Picture]:
        """The pictures of this turn: a call's worth of each kind; users served least lately first, then in
        turn; a user's oldest first.
        """
        by_user: dict[str, list[Picture]] = defaultdict(list)
        for picture in live:
            by_user[picture.job.user].append(picture)
        users = sorted(by_user, key=lambda user: self._last.get(user, -1))
        filled: dict[Kind, int] = defaultdict(int)
        chosen = []
        for picture in _dealt([by_user[user] for user in users]):
            if all(filled[kind] < self._budget.rows(kind) for kind, _ in _rows(picture)):
                chosen.append(picture)
                for kind, rows in _rows(picture):
                    filled[kind] += rows
        self._turn += 1
        served = {picture.job.user for picture in chosen}
        self._last = {user: self._turn if user in served else self._last.get(user, -1) for user in users}
        return chosen


def _rows(picture: Picture) -> list[tuple[Kind, int]]:
    return [(kind_of(picture.model.parts, ask), ask.x.shape[0]) for ask in picture.asks]


def _dealt(hands: list[list[Picture]]) -> Iterator[Picture]:
    """The first of each, then the second of each, ..."""
    for round_ in zip_longest(*hands):
        yield from (picture for picture in round_ if picture is not None)
