"""The samplers that choose their own steps: as exact as asked, in steps of their own for each image."""

import pytest
import torch
from torch import Tensor

from schedulers import SAMPLERS, Level, solve
from tests.schedulers.exact import PAIR, levels_between, silence, uniform

ADAPTIVE = [name for name, sampler in SAMPLERS.items() if sampler.alone]


def run(name: str, steps: int) -> tuple[float, int]:
    """(largest error in units of the data, evaluations)."""
    levels, asked = levels_between(uniform, 10.0, 0.1, steps), 0

    def network(x: Tensor, level: Level) -> Tensor:
        nonlocal asked
        asked += 1
        return PAIR.denoise(x, level)

    x = torch.linspace(-15, 15, 61, dtype=torch.float64).reshape(1, 1, 1, 61) * levels[0].alpha
    found = solve(name, network, x, levels, silence)
    return ((found - PAIR.carry(x, levels[0], levels[-1])).abs().max() / levels[-1].alpha).item(), asked


@pytest.mark.parametrize("name", ADAPTIVE)
def test_a_finer_measure_is_more_exact_and_costs_more(name: str) -> None:
    (coarse, few), (fine, many) = run(name, 5), run(name, 20_000)
    assert few < many and fine < coarse / 2
    assert fine < 1e-4


@pytest.mark.parametrize("name", ADAPTIVE)
def test_it_is_as_exact_as_its_steps_promise(name: str) -> None:
    for steps in (10, 20, 100):
        error, _ = run(name, steps)
        assert error < 2 / steps


@pytest.mark.parametrize("name", ADAPTIVE)
def test_an_image_takes_the_steps_that_it_takes_alone(name: str) -> None:
    levels = [Level(0.0, 1.0), *levels_between(uniform, 10.0, 0.1, 20), Level(1.0, 0.0)]
    x = torch.randn(3, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    whole = solve(name, PAIR.denoise, x, levels, silence)
    for k in range(3):
        assert torch.equal(solve(name, PAIR.denoise, x[[k]], levels, silence), whole[[k]])


@pytest.mark.parametrize("name", ADAPTIVE)
def test_a_network_that_is_not_smooth_does_not_stop_it(name: str) -> None:
    draws = torch.Generator().manual_seed(1)
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64)
    levels = levels_between(uniform, 2.0, 1.9, 20)
    noisy = lambda x, level: torch.randn(x.shape, dtype=x.dtype, generator=draws) * 50  # noqa: E731
    assert solve(name, noisy, x, levels, silence).isfinite().all()
