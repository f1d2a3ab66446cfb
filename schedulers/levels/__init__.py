"""Every way to space the noise levels, by name: one file here and one line in the table adds one."""

from collections.abc import Callable
from dataclasses import dataclass

from schedulers.level import Level, Table
from schedulers.levels.exponential import exponential
from schedulers.levels.karras import karras
from schedulers.levels.timesteps import model, trailing

__all__ = ["SCHEDULES", "Schedule"]


@dataclass(frozen=True)
class Schedule:
    """``schedule(table, steps)`` gives steps + 1 levels, the noise strictly falling, the last one clean."""

    name: str
    label: str
    help: str
    run: Callable[[Table, int], list[Level]]

    def __call__(self, table: Table, steps: int) -> list[Level]:
        """Raises ``ValueError`` when ``steps`` is not between 1 and the number of levels in the table."""
        if not 1 <= steps <= len(table.levels):
            raise ValueError(f"got {steps}; allowed: from 1 to {len(table.levels)} steps.")
        return self.run(table, steps)


_ALL = (
    Schedule("model", "The model's own", "The spacing the checkpoint asks for.", model),
    Schedule("karras", "Karras", "More of the steps at little noise, where detail is made.", karras),
    Schedule("exponential", "Exponential", "Each step divides the noise by the same factor.", exponential),
    Schedule("trailing", "Trailing", "Even steps over the training levels, from pure noise on.", trailing),
)
SCHEDULES: dict[str, Schedule] = {s.name: s for s in _ALL}
