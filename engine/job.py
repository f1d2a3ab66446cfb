"""A recipe being made for somebody. Events and endings are ``engine/told.py``'s.

A job knows its recipe and what is made of it; it does not know the queue, the models or how pictures are
made.
"""

from collections.abc import Callable
from typing import Any

from engine.events import Cancelled, Done, Failed
from engine.told import State, Told
from pipelines.recipe import Recipe

__all__ = ["Job", "JobCancelled", "JobFailed", "State"]


class JobFailed(RuntimeError):
    """``Job.result`` of a job that failed; the message is its ``what`` and ``hint``."""


class JobCancelled(RuntimeError):
    """``Job.result`` of a job that was cancelled."""


class Job(Told):
    """One submitted recipe. Made by ``Engine.submit``.

    ``each`` are the recipes of its pictures, where that is more than ``recipe`` says.
    """

    def __init__(
        self,
        recipe: Recipe,
        user: str,
        stop: Callable[["Job"], None],
        each: tuple[Recipe, ...] | None = None,
    ) -> None:
        super().__init__(user, stop)
        self.recipe = recipe
        self.each = each or recipe.each()
        self._entries: dict[int, Any] = {}
        self._made: dict[int, Recipe] = {}
        self.begun = 0  # pictures that were started; the worker's

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

    def result(self, timeout: float | None = None) -> list[Any]:
        """Wait for the entries (the pictures themselves if the engine has no gallery).

        Raises ``JobFailed``, ``JobCancelled``, or ``TimeoutError`` after ``timeout`` seconds.
        """
        match event := self.wait(timeout):
            case Failed(what, hint):
                raise JobFailed(f"{what} {hint}".strip())
            case Cancelled():
                raise JobCancelled("The job was cancelled.")
            case Done(entries):
                return list(entries)
        raise AssertionError(event)

    # What follows is for the engine.

    def keep(self, index: int, entry: Any, made: Recipe) -> bool:
        """Add finished picture ``index`` and its resolved recipe; returns whether it was the last one."""
        with self._changed:
            self._entries[index] = entry
            self._made[index] = made
            return len(self._entries) == self.recipe.count
