"""The search for a table: the cheapest way is found, and it strays less than the usual spacings."""

from itertools import combinations, pairwise

import pytest
import torch

from schedulers import Level, solve
from schedulers.level import CLEAN, on_path
from schedulers.levels.search import cheapest, costs, search
from tests.schedulers.exact import PAIR, karras, silence

GRID = [on_path("vp", 14.6 * (0.03 / 14.6) ** (i / 59)) for i in range(60)] + [CLEAN]


def start() -> torch.Tensor:
    share = (torch.arange(64, dtype=torch.float64) + 0.5) / 64
    return torch.special.ndtri(share).reshape(1, 1, 1, -1) * GRID[0].sigma


@pytest.mark.parametrize("steps", [1, 2, 4, 7])
def test_no_other_way_is_cheaper(steps: int) -> None:
    cost = torch.rand(8, 8, generator=torch.Generator().manual_seed(steps), dtype=torch.float64)
    cost[torch.tril_indices(8, 8).unbind()] = torch.inf

    def of(way: tuple[int, ...] | list[int]) -> float:
        return sum(cost[a, b].item() for a, b in pairwise(way))

    ways = [(0, *between, 7) for between in combinations(range(1, 7), steps - 1)]
    assert of(cheapest(cost, steps)) == pytest.approx(min(map(of, ways)))


def test_a_step_of_the_grid_itself_costs_nothing() -> None:
    cost = costs(PAIR.denoise, start(), GRID)
    assert cost.diagonal(1).abs().max() == 0
    assert cost.tril().isinf().logical_or(cost.tril() == 0).all()
    assert search(PAIR.denoise, start(), GRID, 60) == GRID


@pytest.mark.parametrize("steps", [5, 10])
def test_over_its_table_euler_strays_less_than_over_karras(steps: int) -> None:
    def stray(levels: list[Level]) -> float:
        fine = solve("euler", PAIR.denoise, start(), GRID, silence)
        return (solve("euler", PAIR.denoise, start(), levels, silence) - fine).square().mean().sqrt().item()

    found = search(PAIR.denoise, start(), GRID, steps)
    assert len(found) == steps + 1 and found[0] == GRID[0] and found[-1] == CLEAN
    usual = [on_path("vp", karras(14.6, 0.03, i / (steps - 1))) for i in range(steps)] + [CLEAN]
    assert stray(found) < 0.8 * stray(usual)


@pytest.mark.parametrize("steps", [0, 61])
def test_a_grid_has_only_so_many_steps(steps: int) -> None:
    with pytest.raises(ValueError, match=f"got {steps} steps; allowed: 1 to 60"):
        search(PAIR.denoise, start(), GRID, steps)
