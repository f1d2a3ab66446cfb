"""Spacings that pick levels from the model's own table (arXiv:2305.08891, table 2)."""

from collections.abc import Sequence

from schedulers.level import CLEAN, Level, Table, on_path


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


def simple(table: Table, steps: int) -> list[Level]:
    """Every so-manieth of the training levels, counted down from the last (ComfyUI's "simple")."""
    count = len(table.levels)
    return [table.levels[count - 1 - i * count // steps] for i in range(steps)] + [CLEAN]


def sgm_uniform(table: Table, steps: int) -> list[Level]:
    """Even in timesteps from the last to the first, the first left out (Stability's generative-models)."""
    last = len(table.levels) - 1
    return at_timesteps(table, [last * (1 - i / steps) for i in range(steps)])


def at_timesteps(table: Table, timesteps: Sequence[float]) -> list[Level]:
    """The levels at fractional timesteps, log sigma linear between whole ones (k-diffusion), then clean."""
    return [_at(table, t) for t in timesteps] + [CLEAN]


def _at(table: Table, t: float) -> Level:
    below = min(int(t), len(table.levels) - 2)
    a, b = table.levels[below], table.levels[below + 1]
    if t == below or t == below + 1:
        return a if t == below else b
    if b.alpha == 0:  # between the last level with some picture and pure noise there is no line to follow
        return a
    return on_path(table.path, a.ve_sigma * (b.ve_sigma / a.ve_sigma) ** (t - below))
