"""How many rows one U-Net call should carry, found by timing the calls that happen anyway.

A larger batch costs less per row where a call is bound by its fixed costs and nothing where it is bound by
arithmetic; where that changes depends on the network, the size and the machine. So each kind of call starts
with a small budget that doubles while there is demand and while it pays. It knows rows and seconds only.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

SMALLEST = 2  # rows: one picture with guidance
LARGEST = 64
SAMPLES = 3  # calls timed at a size before judging it; the fastest counts, which ignores other load
GAIN = 0.05  # a doubling that saves less than this share of the time per row does not pay


@dataclass
class _Curve:
    rows: int = SMALLEST
    settled: bool = False
    samples: list[float] = field(default_factory=list)  # seconds per row at ``rows``
    fastest: dict[int, float] = field(default_factory=dict)  # rows -> seconds per row


class RowBudget:
    """A row budget for each kind of call. ``fixed`` rows switch the measuring off."""

    def __init__(self, fixed: int | None = None) -> None:
        self._fixed = fixed
        self._curves: dict[Hashable, _Curve] = {}

    def rows(self, kind: Hashable) -> int:
        """About how many rows a call of this kind should carry now, at most."""
        return self._fixed or self._curves.setdefault(kind, _Curve()).rows

    def record(self, kind: Hashable, rows: int, seconds: float) -> None:
        """A call of ``kind`` with ``rows`` rows took ``seconds``."""
        curve = self._curves.setdefault(kind, _Curve())
        if self._fixed or curve.settled or not 0.75 * curve.rows <= rows <= 1.5 * curve.rows:
            return
        curve.samples.append(seconds / rows)
        if len(curve.samples) == SAMPLES:
            curve.fastest[curve.rows] = min(curve.samples)
            curve.samples.clear()
            _judge(curve)

    def out_of_memory(self, kind: Hashable) -> None:
        """A full call did not fit: halve the budget of this kind and try no more."""
        curve = self._curves.setdefault(kind, _Curve())
        curve.rows, curve.settled = max(1, curve.rows // 2), True


def _judge(curve: _Curve) -> None:
    """Double, or settle on the smallest size that is nearly the fastest.

    One doubling without gain may be noise, so it takes two in a row to settle.
    """
    sizes = sorted(curve.fastest)
    best = min(curve.fastest.values())
    good = next(size for size in sizes if curve.fastest[size] <= best / (1 - GAIN))
    if curve.rows >= LARGEST or sizes.index(good) <= len(sizes) - 3:
        curve.rows, curve.settled = good, True
    else:
        curve.rows *= 2
