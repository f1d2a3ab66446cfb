"""Something that is made for somebody, and the stream of events that tells how it goes.

It knows its owner and its events, not what is made. Any number of threads may follow one. Only the newest
event is kept: a slow follower skips what is out of date and nothing piles up, but every follower sees the
newest state first and the ending last.
"""

import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Literal, Self, TypeAlias

from engine.events import ENDINGS, Cancelled, Done, Event, Failed, Progress, Queued

State: TypeAlias = Literal["queued", "loading", "running", "done", "failed", "cancelled"]


class Told:
    """The id cannot be guessed and is the key to it. ``stop`` is told of ``cancel``."""

    def __init__(self, user: str, stop: Callable[[Self], None]) -> None:
        self.id = secrets.token_urlsafe(18)
        self.user = user
        self._stop = stop
        self._changed = threading.Condition()
        self._state: State = "queued"
        self._event: Event = Queued(0)
        self._version = 0
        self._followers = 0
        self._cancelled = False

    @property
    def state(self) -> State:
        return self._state

    @property
    def event(self) -> Event:
        """The newest event."""
        return self._event

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
        """Stop at the next step. Does nothing to what has ended."""
        with self._changed:
            if self.ended:
                return
            self._cancelled = True
        self._stop(self)

    def wait(self, timeout: float | None = None) -> Event:
        """The ending. Raises ``TimeoutError`` after ``timeout`` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.ended, timeout):
                raise TimeoutError(f"The job is still {self._state} after {timeout} s.")
            return self._event

    # What follows is for the engine.

    def tell(self, event: Event, state: State | None = None) -> bool:
        """Make ``event`` the newest, unless it has ended; returns whether it did."""
        with self._changed:
            if self.ended:
                return False
            self._event = event
            self._state = state or _state_after(event)
            self._version += 1
            self._changed.notify_all()
            return True


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
