"""A recipe being made for somebody, and the stream of events that tells how it goes.

A job knows its recipe, owner and events; it does not know the queue, the models or how pictures are made.
Any number of threads may follow one job. Only its newest event is kept: a slow follower skips what is out of
date and nothing piles up, but every follower sees the newest state first and the ending last.
"""

import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

from engine.events import ENDINGS, Cancelled, Done, Event, Failed, Progress, Queued
from pipelines.recipe import Recipe

State: TypeAlias = Literal["queued", "loading", "running", "done", "failed", "cancelled"]


class JobFailed(RuntimeError):
    """``Job.result`` of a job that failed; the message is its ``what`` and ``hint``."""


class JobCancelled(RuntimeError):
    """``Job.result`` of a job that was cancelled."""


class Job:
    """One submitted recipe. Made by ``Engine.submit``; the id cannot be guessed and is the key to the job.

    ``each`` are the recipes of its pictures, where that is more than ``recipe`` says.
    """

    def __init__(
        self,
        recipe: Recipe,
        user: str,
        stop: Callable[["Job"], None],
        each: tuple[Recipe, ...] | None = None,
    ) -> None:
        self.id = secrets.token_urlsafe(18)
        self.recipe = recipe
        self.each = each or recipe.each()
        self.user = user
        self._stop = stop
        self._changed = threading.Condition()
        self._state: State = "queued"
        self._event: Event = Queued(0)
        self._version = 0
        self._followers = 0
        self._cancelled = False
        self._entries: dict[int, Any] = {}
        self._made: dict[int, Recipe] = {}
        self.begun = 0  # pictures that were started; the worker's

    @property
    def state(self) -> State:
        return self._state

    @property
    def event(self) -> Event:
        """The newest event."""
        return self._event

    @property
    def entries(self) -> tuple[Any, ...]:
        """The pictures finished so far, in the recipe's order; they stay if the job fails or is cancelled."""
        with self._changed:
            return tuple(self._entries[k] for k in sorted(self._entries))

    @property
    def finished(self) -> dict[int, Any]:
        """``entries`` by the number of the picture, from 0; a later one may be finished first."""
        with self._changed:
            return {k: self._entries[k] for k in sorted(self._entries)}

    def made(self, index: int) -> Recipe:
        """The recipe of finished picture ``index``, with the noise levels it was made with."""
        with self._changed:
            return self._made[index]

    @property
    def ended(self) -> bool:
        return isinstance(self._event, ENDINGS)

    @property
    def cancelling(self) -> bool:
        """Whether ``cancel`` was called."""
        return self._cancelled

    @property
    def followed(self) -> bool:
        """Whether anybody is iterating ``events`` now."""
        return self._followers > 0

    def events(self) -> Iterator[Event]:
        """The newest event at once, then each as it comes (for a slow follower, the newest), then the end."""
        with self._changed:
            self._followers += 1
        try:
            seen = -1
            while True:
                with self._changed:
                    self._changed.wait_for(lambda seen=seen: self._version != seen)
                    seen, event = self._version, self._event
                yield event
                if isinstance(event, ENDINGS):
                    return
        finally:
            with self._changed:
                self._followers -= 1

    def cancel(self) -> None:
        """Stop at the next step. Does nothing to a job that has ended."""
        with self._changed:
            if self.ended:
                return
            self._cancelled = True
        self._stop(self)

    def result(self, timeout: float | None = None) -> list[Any]:
        """Wait for the entries (the pictures themselves if the engine has no gallery).

        Raises ``JobFailed``, ``JobCancelled``, or ``TimeoutError`` after ``timeout`` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.ended, timeout):
                raise TimeoutError(f"The job is still {self._state} after {timeout} s.")
            event = self._event
        match event:
            case Failed(what, hint):
                raise JobFailed(f"{what} {hint}".strip())
            case Cancelled():
                raise JobCancelled("The job was cancelled.")
            case Done(entries):
                return list(entries)
        raise AssertionError(event)

    # What follows is for the engine.

    def tell(self, event: Event, state: State | None = None) -> bool:
        """Make ``event`` the newest, unless the job has ended; returns whether it did."""
        with self._changed:
            if self.ended:
                return False
            self._event = event
            self._state = state or _state_after(event)
            self._version += 1
            self._changed.notify_all()
            return True

    def keep(self, index: int, entry: Any, made: Recipe) -> bool:
        """Add finished picture ``index`` and its resolved recipe; returns whether it was the last one."""
        with self._changed:
            self._entries[index] = entry
            self._made[index] = made
            return len(self._entries) == self.recipe.count


def _state_after(event: Event) -> State:
    match event:
        case Queued():
            return "queued"
        case Progress():
            return "running"
        case Done():
            return "done"
        case Failed():
            return "failed"
        case Cancelled():
            return "cancelled"
