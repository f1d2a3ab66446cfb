"""Many recipes drawn for one person one after another, a few at a time: a grid. Knows no widgets.

Each recipe is a job of its own, so they share the network's calls with everybody's and take turns with
others'.
"""

import secrets
import threading
import time
from collections.abc import Sequence
from typing import Any

from engine.engine import Engine
from engine.events import Done, Failed
from engine.job import Job
from engine.line import QueueFull
from pipelines.recipe import Recipe, RecipeError

AT_ONCE = 4  # open jobs of a series: enough to fill a call, and some are left for the person's other wishes
LOOK = 0.1  # seconds between looks whether one has ended


class Series:
    """Begins to draw at once, in a thread of its own, whether or not anybody looks."""

    def __init__(self, engine: Engine, recipes: Sequence[Recipe], user: str) -> None:
        self.id = secrets.token_urlsafe(18)
        self.of = len(recipes)
        self._engine = engine
        self._user = user
        self._waiting = list(enumerate(recipes))
        self._open: dict[int, Job] = {}
        self._entries: dict[int, Any] = {}
        self._faults: dict[int, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="atelier-series", daemon=True)
        self._thread.start()

    @property
    def entries(self) -> dict[int, Any]:
        """What was made so far, by the number of its recipe."""
        return dict(self._entries)

    @property
    def faults(self) -> dict[int, str]:
        """Why those that were not made were not, by the number of their recipe."""
        return dict(self._faults)

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """Stop at the next step; what was made stays."""
        self._stop.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it ended within ``timeout`` seconds."""
        self._thread.join(timeout)
        return self.ended

    def _run(self) -> None:
        while self._waiting or self._open:
            if self._stop.is_set():
                self._waiting.clear()
                for job in self._open.values():
                    job.cancel()
            self._submit()
            for number, job in list(self._open.items()):
                if job.ended:
                    self._keep(number, self._open.pop(number))
            time.sleep(LOOK)

    def _submit(self) -> None:
        while self._waiting and len(self._open) < AT_ONCE:
            number, recipe = self._waiting[0]
            try:
                self._open[number] = self._engine.submit(recipe, self._user)
            except QueueFull:  # of other wishes: there will be room
                return
            except RecipeError as error:
                self._faults[number] = str(error)
            except RuntimeError as error:  # the engine is closed
                self._faults |= {k: str(error) for k, _ in self._waiting}
                self._waiting.clear()
                return
            self._waiting.pop(0)

    def _keep(self, number: int, job: Job) -> None:
        match job.event:
            case Done(entries):
                self._entries[number] = entries[0]
            case Failed(what, hint):
                self._faults[number] = f"{what} {hint}".strip()
            case _:
                self._faults[number] = "Stopped."
