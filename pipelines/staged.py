"""Which of a text's stages a sampler is in: the context of each ask. Knows no notation, runs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from models import Context
from pipelines.texts import Texts
from schedulers import Level, Sampler, evaluations


@dataclass(frozen=True, eq=False)
class Steps:
    """The steps of one drawing over ``levels``."""

    sampler: Sampler
    levels: Sequence[Level]
    _asks: dict[int, int] = field(default_factory=dict)  # step -> asks up to its end

    def over(self, step: int, asked: int, level: Level) -> bool:
        """Whether step ``step`` (from 1) has ended when an ask at ``level`` comes after ``asked`` others.

        Step 0 is before them all. Every ask of a step is in it, however many it takes; samplers that choose
        their own steps are in the one whose noise they are at.
        """
        if step >= len(self.levels) - 1:
            return False
        if step == 0:
            return True
        if self.sampler.alone:
            return level.ve_sigma <= self.levels[step].ve_sigma
        if step not in self._asks:
            self._asks[step] = evaluations(self.sampler, self.levels[: step + 1])
        return asked >= self._asks[step]

    def within(self, first: int, last: int, asked: int, level: Level) -> bool:
        """Whether such an ask is in one of the steps from ``first`` to ``last``."""
        return self.over(first - 1, asked, level) and not self.over(last, asked, level)


@dataclass(frozen=True, eq=False)
class Staged:
    """The contexts of one text, a row each, and the last step of each."""

    rows: tuple[Context, ...]
    lasts: tuple[int, ...]

    def at(self, steps: Steps, asked: int, level: Level) -> Context:
        """The row for an ask at ``level`` after ``asked`` others."""
        if len(self.rows) == 1:
            return self.rows[0]
        stages = zip(self.rows, self.lasts, strict=True)
        return next(row for row, last in stages if not steps.over(last, asked, level))


def staged(texts: Texts, encoded: Context) -> dict[str, Staged]:
    """By branch, from the answer to ``texts.encode``."""
    found: dict[str, Staged] = {}
    first = 0
    for branch, stages in texts.branches:
        row = {text: first + k for k, text in enumerate(dict.fromkeys(stage.text for stage in stages))}
        rows = tuple(encoded[row[s.text] : row[s.text] + 1] for s in stages)
        found[branch] = Staged(rows, tuple(stage.last for stage in stages))
        first += len(row)
    return found
