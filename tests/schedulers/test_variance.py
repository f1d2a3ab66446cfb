"""The stochastic samplers leave the right variance, found exactly and not by drawing many pictures.

On Gaussian data a sampler is linear in its first noise and in each later one, so feeding it one-hot noises
reads off its coefficients, and the variance of what it makes is the sum of their squares.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from schedulers import SAMPLERS, Level, solve
from tests.schedulers.exact import GAUSSIAN, Curve, karras, levels_between, uniform

STOCHASTIC = [name for name, sampler in SAMPLERS.items() if sampler.stochastic]
WORST_AT_16 = {"ddpm": 0.265, "euler-a": 0.265, "dpmpp-2m-sde": 0.0331}  # known values, rounded up
S2 = 0.25  # the variance of the data


def variance_error(name: str, levels: list[Level]) -> float:
    """The relative error of the variance at the last level, having started from the right one."""
    first, last = levels[0], levels[-1]
    unit = torch.eye(len(levels) + 1, dtype=torch.float64).reshape(-1, 1, 1, len(levels) + 1)

    def noise(step: int, slot: int = 0) -> Tensor:
        assert slot == 0
        return unit[[step + 1]]

    start = unit[[0]] * (first.alpha**2 * S2 + first.sigma**2) ** 0.5
    made = solve(name, GAUSSIAN.denoise, start, levels, noise).square().sum().item()
    return made / (last.alpha**2 * S2 + last.sigma**2) - 1


@pytest.mark.parametrize("name", STOCHASTIC)
def test_the_error_at_16_steps_is_no_worse_than_known(name: str) -> None:
    assert abs(variance_error(name, levels_between(karras, 10.0, 0.1, 16))) <= WORST_AT_16[name]


@pytest.mark.parametrize("curve", [uniform, karras])
@pytest.mark.parametrize("name", STOCHASTIC)
def test_the_error_falls_at_the_claimed_order(name: str, curve: Curve) -> None:
    counts = (64, 128, 256, 512)
    errors = [abs(variance_error(name, levels_between(curve, 10.0, 0.1, n))) for n in counts]
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(SAMPLERS[name].order, abs=0.15), errors


@pytest.mark.parametrize("name", STOCHASTIC)
def test_pure_noise_gets_the_variance_of_the_data(name: str) -> None:
    levels = [Level(0.0, 1.0), *levels_between(uniform, 100.0, 0.002, 500), Level(1.0, 0.0)]
    assert abs(variance_error(name, levels)) < 0.05


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", ["ddim", "euler-a"])
def test_ddim_and_ancestral_are_one_family(name: str, eta: float) -> None:
    """DDPM, DDIM(1) and Euler ancestral draw the same picture from the same noise; so do they at any eta."""
    draws = torch.randn(9, 2, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    levels = [Level(0.0, 1.0), *levels_between(karras, 10.0, 0.1, 6), Level(1.0, 0.0)]

    def made(sampler: str, **kind: float) -> Tensor:
        entry = SAMPLERS[sampler].with_eta(kind.get("eta"))
        return solve(entry, GAUSSIAN.denoise, draws[8], levels, lambda step, slot=0: draws[step])

    torch.testing.assert_close(made(name, eta=eta), made("ddim", eta=eta), rtol=0, atol=1e-12)
    if eta == 1:
        torch.testing.assert_close(made(name, eta=eta), made("ddpm"), rtol=0, atol=1e-12)
