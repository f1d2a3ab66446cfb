"""Work that gives way to drawing: a generator, advanced one step at a time while nothing is drawn.

What the work is, and what it yields beside ``step`` and ``of``, is not known here: a lab trains models so.
Work of one lane is done in the order it came; lanes take turns, so that a short wish need not wait for a long
one.
"""

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch

from engine.events import Cancelled, Done, Ending, Progress
from engine.failure import working_failed
from engine.line import QueueFull
from engine.pace import Pace
from engine.told import Told

MOST = 60  # open works

log = logging.getLogger(__name__)


class Stepping(Protocol):
    """What the generator yields after each step: ``step`` of ``of`` are done."""

    @property
    def step(self) -> int: ...
    @property
    def of(self) -> int: ...


class Background(Told):
    """One piece of such work; ``title`` is the person's word for it. Made by ``Engine.work``.

    ``latest`` is what the generator yielded last. A generator that returns something ends as ``Done`` with
    it.
    """

    def __init__(
        self,
        steps: Generator[Stepping, None, Any],
        title: str,
        user: str,
        lane: str,
        stop: Callable[["Background"], None],
    ) -> None:
        super().__init__(user, stop)
        self.title, self.lane = title, lane
        self.latest: Stepping | None = None
        self.steps = steps  # the worker's: no two threads may advance or close it
        self.pace = Pace()


class Lanes:
    """All open background work. ``step`` and ``close`` are for one thread; the rest for any."""

    def __init__(self, end: Callable[[Background, Ending], None]) -> None:
        self._end = end
        self._changed = threading.Lock()
        self._lanes: dict[str, deque[Background]] = {}  # insertion order is the order of turns

    def add(self, work: Background) -> None:
        with self._changed:
            if sum(map(len, self._lanes.values())) >= MOST:
                raise QueueFull(f"{MOST} works are open, and no more are taken. Stop one, or wait.")
            self._lanes.setdefault(work.lane, deque()).append(work)

    def step(self) -> bool:
        """Advance the work whose turn it is by one step; returns whether there was any."""
        self._drop_cancelled()
        with self._changed:
            if not self._lanes:
                return False
            lane = next(iter(self._lanes))
            self._lanes[lane] = self._lanes.pop(lane)  # all other lanes come before its next turn
            work = self._lanes[lane][0]
        self._advance(work)
        return True

    def close(self) -> None:
        """Close the generators of all that is left."""
        for work in self._all():
            self._finish(work, Cancelled())

    def _all(self) -> list[Background]:
        with self._changed:
            return [work for lane in self._lanes.values() for work in lane]

    def _drop_cancelled(self) -> None:
        for work in self._all():
            if work.cancelling:
                self._finish(work, Cancelled())

    def _advance(self, work: Background) -> None:
        began = time.monotonic()
        try:
            with _learning():
                at = next(work.steps)
        except StopIteration as end:
            self._finish(work, Done(() if end.value is None else (end.value,)))
        except Exception as error:  # whatever the work raises: it fails alone
            _log(work, error)
            self._finish(work, working_failed(error))
        else:
            work.pace.note(1, time.monotonic() - began)
            work.latest = at
            work.tell(Progress(at.step, at.of, None, work.pace.eta(at.of - at.step)))

    def _finish(self, work: Background, ending: Ending) -> None:
        with self._changed:
            self._lanes[work.lane].remove(work)
            if not self._lanes[work.lane]:
                del self._lanes[work.lane]
        try:
            with _learning():
                work.steps.close()
        except Exception as error:  # it may keep what it has when it is closed, and the disk be full
            _log(work, error)
            ending = working_failed(error)
        self._end(work, ending)


@contextmanager
def _learning() -> Iterator[None]:
    """Gradients as anywhere, inside the worker that draws without."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def _log(work: Background, error: Exception) -> None:
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.warning("Work %s failed: %s\n%s", work.id, type(error).__name__, frames)
