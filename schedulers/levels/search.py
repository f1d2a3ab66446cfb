"""The search for the table of noise levels that suits one model best. Knows no networks."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from schedulers.level import Level, move


def search(
    denoise: Callable[[Tensor, Level], Tensor], x: Tensor, grid: Sequence[Level], steps: int
) -> list[Level]:
    """The ``steps`` + 1 levels of ``grid``, its first and last among them, over which Euler's steps stray
    least from the fine path that ``x`` (B, C, h, w) takes over all of ``grid``.

    Dynamic programming over the cost of every possible step, as GITS does (arXiv:2405.11326); the network is
    asked once a level of the grid. Raises ``ValueError`` for more steps than the grid has.
    """
    if not 1 <= steps < len(grid):
        raise ValueError(f"got {steps} steps; allowed: 1 to {len(grid) - 1}, those of the grid.")
    chosen = cheapest(costs(denoise, x, grid), steps)
    return [grid[i] for i in chosen]


def costs(denoise: Callable[[Tensor, Level], Tensor], x: Tensor, grid: Sequence[Level]) -> Tensor:
    """(n, n) for n levels: how far one Euler step from level i of the fine path lands from its level j.

    Root mean square, in units of the picture or of the noise, whichever is more; infinite where j is not
    after i.
    """
    path, estimates = [x], []
    for a, b in pairwise(grid):
        estimates.append(denoise(path[-1], a))
        path.append(move(path[-1], estimates[-1], a, b))
    found = torch.full((len(grid), len(grid)), torch.inf, dtype=torch.float64)
    for i, (start, x0) in enumerate(zip(path, estimates, strict=False)):
        for j in range(i + 1, len(grid)):
            landed = move(start, x0, grid[i], grid[j])
            found[i, j] = (landed - path[j]).square().mean().sqrt() / max(grid[j].alpha, grid[j].sigma)
    return found


def cheapest(cost: Tensor, steps: int) -> list[int]:
    """The indices of the way from the first to the last of ``cost`` (n, n) in exactly ``steps`` steps that
    costs least in all."""
    n = len(cost)
    best = torch.full((n,), torch.inf, dtype=cost.dtype)  # from each index to the last, in as many steps
    best[-1] = 0.0
    turns: list[Tensor] = []
    for _ in range(steps):
        ways = cost + best  # (from, to)
        best, turn = ways.min(1)
        turns.append(turn)
    at, way = 0, [0]
    for turn in reversed(turns):
        at = int(turn[at])
        way.append(at)
    return way
