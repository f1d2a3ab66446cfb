"""What the benchmark of stiffness reckons with: its measure, and where Adams' rules stop being stable."""

import pytest
import torch
from torch import Tensor

from benchmarks.stiffness import ADAMS, stiffness
from schedulers import SAMPLERS, Level, solve
from schedulers.level import on_path
from tests.schedulers.exact import silence


def test_it_finds_the_steepest_direction() -> None:
    torch.manual_seed(0)
    slopes = torch.linspace(-2.0, 0.9, 12, dtype=torch.float64).reshape(1, 3, 2, 2)

    def network(x: Tensor, level: Level) -> Tensor:
        return slopes * x / level.alpha

    x = torch.zeros(2, 3, 2, 2, dtype=torch.float64)
    found = stiffness(network, x, on_path("vp", 1.5), rounds=60)
    torch.testing.assert_close(found, torch.full((2,), 3.0, dtype=torch.float64), rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("name", "bound"),
    [("euler", 2.0), ("adams-2", 1.0), ("adams-3", 6 / 11), ("lms", 3 / 10), ("ipndm", 3 / 10)],
)
def test_a_rule_of_more_estimates_is_stable_for_shorter_steps(name: str, bound: float) -> None:
    """On dy = c y d sigma in even steps, as long as c times the step is within the bound."""

    def grown(product: float) -> float:
        levels = [Level(1.0, float(sigma)) for sigma in range(801, 0, -1)]

        def network(x: Tensor, level: Level) -> Tensor:
            return x - level.sigma * product * x

        x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
        return solve(ADAMS.get(name) or SAMPLERS[name], network, x, levels, silence).abs().item()

    assert grown(0.95 * bound) < 1e-3 and grown(1.05 * bound) > 1e3
