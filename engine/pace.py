"""How far a job is and how long it will take, from measured times. Knows only steps and seconds.

Seconds come from a monotonic clock, so setting the machine's clock changes nothing.
"""

from dataclasses import dataclass, field

from PIL import Image

from engine.events import Progress
from engine.job import Job

MEMORY = 20  # measurements that count about equally


@dataclass
class Pace:
    """A running mean of seconds per step; the newest ``MEMORY`` measurements weigh most."""

    seconds_per_step: float | None = None
    _count: int = 0

    def note(self, steps: int, seconds: float) -> None:
        if steps <= 0:
            return
        self._count = min(self._count + 1, MEMORY)
        before = self.seconds_per_step or 0.0
        self.seconds_per_step = before + (seconds / steps - before) / self._count

    def eta(self, steps: int) -> float | None:
        """Seconds that ``steps`` more steps will take; None before anything was measured."""
        return None if self.seconds_per_step is None else steps * self.seconds_per_step


@dataclass
class Account:
    """The steps of one running job."""

    job: Job
    last: float  # seconds: when the job last went on
    preview: Image.Image | None = None
    preview_at: float = float("-inf")
    pace: Pace = field(default_factory=Pace)
    pictures: dict[int, tuple[int, int]] = field(default_factory=dict)  # index -> (step, of)

    @property
    def step(self) -> int:
        return sum(step for step, _ in self.pictures.values())

    @property
    def of(self) -> int:
        recipe = self.job.recipe
        begun, each = self.pictures.values(), max(1, sum(recipe.passes()))
        return sum(of for _, of in begun) + (recipe.count - len(begun)) * each

    def note(self, before: int, now: float) -> None:
        """The job went on from ``before`` steps to ``step``."""
        self.pace.note(self.step - before, now - self.last)
        self.last = now

    def progress(self) -> Progress:
        return Progress(self.step, self.of, self.preview, self.pace.eta(self.of - self.step))
