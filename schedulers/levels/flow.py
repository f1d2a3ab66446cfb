"""Spacings of flow models, for any model: their sigma f in x = (1 - f) x0 + f noise is s / (1 + s)."""

from collections.abc import Sequence

from schedulers.level import CLEAN, Level, Table, on_path

SHIFT = 3.0
THRESHOLD = 0.025  # of the noise, gone through in the first half of the steps


def flow_shift(table: Table, steps: int) -> list[Level]:
    """Even in f, then f -> shift f / (1 + (shift - 1) f), shift 3 (arXiv:2403.03206, eq. 23)."""
    even = [1 - i / steps for i in range(steps)]
    return _on(table, [SHIFT * f / (1 + (SHIFT - 1) * f) for f in even])


def linear_quadratic(table: Table, steps: int) -> list[Level]:
    """Small even steps in f for the first half of them, then steps that grow (Movie Gen, arXiv:2410.13720,
    sec. 3.4.2; Mochi's form, which joins the halves smoothly)."""
    half = max(steps // 2, 1)
    rest = steps - half
    gone = [i * THRESHOLD / half for i in range(half)]
    if rest:
        extra = half - THRESHOLD * steps
        square, line = extra / (half * rest**2), THRESHOLD / half - 2 * extra / rest**2
        gone += [square * i**2 + line * i + square * half**2 for i in range(half, steps)]
    return _on(table, [1 - g for g in gone])


def _on(table: Table, noise: Sequence[float]) -> list[Level]:
    """The levels at ``noise`` of the way from the table's smallest flow sigma (0) to its largest (1)."""
    low, high = (s / (1 + s) for s in table.ends)
    between = [low + share * (high - low) for share in noise[1:]]
    return [table.levels[-1], *(on_path(table.path, f / (1 - f)) for f in between), CLEAN]
