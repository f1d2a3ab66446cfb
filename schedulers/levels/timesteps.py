"""Spacings that pick levels from the model's own table (arXiv:2305.08891, table 2)."""

from schedulers.level import CLEAN, Level, Table


def model(table: Table, steps: int) -> list[Level]:
    """The spacing the checkpoint names, with its offset."""
    count = len(table.levels)
    match table.spacing:
        case "trailing":
            picked = _trailing(count, steps)
        case "leading":
            picked = [i * (count // steps) + table.offset for i in reversed(range(steps))]
        case "linspace":
            picked = [round(i * (count - 1) / max(steps - 1, 1)) for i in reversed(range(steps))]
    if picked[0] >= count:
        raise ValueError(
            f"got {steps}; with offset {table.offset} they run past the {count} timesteps; allowed: fewer."
        )
    return [table.levels[t] for t in picked] + [CLEAN]


def trailing(table: Table, steps: int) -> list[Level]:
    """Even steps that begin at the last timestep, whatever the checkpoint names."""
    return [table.levels[t] for t in _trailing(len(table.levels), steps)] + [CLEAN]


def _trailing(count: int, steps: int) -> list[int]:
    return [round(count - i * count / steps) - 1 for i in range(steps)]
