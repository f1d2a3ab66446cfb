"""The stochastic samplers leave the right variance, found exactly and not by drawing many pictures.

On Gaussian data a sampler is linear in its first noise and in each later one, so feeding it one-hot noises
reads off its coefficients, and the variance of what it makes is the sum of their squares.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from schedulers import SAMPLERS, Level, Sampler, solve
from tests.schedulers.exact import GAUSSIAN, Curve, karras, levels_between, uniform

# The others are not linear in their noise (predictor-corrector), or never reach the data's distribution
# with a denoiser for a network (LCM and TCD: they want a consistency function, tested below).
STOCHASTIC = [name for name, sampler in SAMPLERS.items() if sampler.stochastic and sampler.order is not None]
WORST_AT_16 = {  # known values to two digits: Euler a's is 0.26447, with k-diffusion's very coefficients
    "ddpm": 0.26, "euler-a": 0.26, "dpmpp-2m-sde": 0.033, "dpmpp-2m-sde-heun": 0.082, "dpmpp-3m-sde": 0.058,
    "dpm-2-a": 0.062, "dpmpp-2s-a": 0.047, "dpmpp-sde": 0.022, "seeds-2": 0.047, "seeds-3": 0.0024,
    "sa-solver": 0.033, "er-sde": 0.014, "churn": 0.093, "restart": 0.025, "euler-maruyama": 0.031,
    "reverse-diffusion": 0.38,
}  # fmt: skip
NOT_MORE = 0.4  # of one that is not among them yet
S2 = 0.25  # the variance of the data


def variance_error(name: str, levels: list[Level]) -> float:
    """The relative error of the variance at the last level, having started from the right one."""
    return shares(SAMPLERS[name], levels).square().sum().item() - 1


def shares(sampler: Sampler, levels: list[Level]) -> Tensor:
    """How much of each noise, the first one's first, is in what is made; 1 is the data's deviation there."""
    first, last = levels[0], levels[-1]
    numbers: dict[tuple[int, int], int] = {}  # of each noise that is asked for

    def count(step: int, slot: int = 0) -> Tensor:
        numbers.setdefault((step, slot), len(numbers))
        return torch.zeros(1, 1, 1, 1, dtype=torch.float64)

    solve(sampler, GAUSSIAN.denoise, count(-1), levels, count)

    def noise(step: int, slot: int = 0) -> Tensor:
        one_hot = torch.zeros(1, 1, 1, len(numbers), dtype=torch.float64)
        one_hot[..., numbers[step, slot]] = 1
        return one_hot

    start = noise(-1) * (first.alpha**2 * S2 + first.sigma**2) ** 0.5
    made = solve(sampler, GAUSSIAN.denoise, start, levels, noise).flatten()
    return made / (last.alpha**2 * S2 + last.sigma**2) ** 0.5


@pytest.mark.parametrize("name", STOCHASTIC)
def test_the_error_at_16_steps_is_no_worse_than_known(name: str) -> None:
    worst = WORST_AT_16.get(name, NOT_MORE)
    error = abs(variance_error(name, levels_between(karras, 10.0, 0.1, 16)))
    assert float(f"{error:.2g}") <= worst


@pytest.mark.parametrize("curve", [uniform, karras])
@pytest.mark.parametrize("name", STOCHASTIC)
def test_the_error_falls_at_the_claimed_order(name: str, curve: Curve) -> None:
    # Euler-Maruyama's error changes its sign near 100 steps, so its order shows later.
    counts = (1024, 2048, 4096) if name == "euler-maruyama" else (64, 128, 256, 512)
    errors = [abs(variance_error(name, levels_between(curve, 10.0, 0.1, n))) for n in counts]
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(SAMPLERS[name].order, abs=0.15), errors


BETWEEN = {  # the order of the first noise's share, which later noises do not touch; of the variance it is 2
    "dpmpp-sde": 2, "seeds-2": 2, "seeds-3": 3, "sa-solver": 4,
    "dpmpp-2m-sde": 2, "dpmpp-2m-sde-heun": 2, "dpmpp-3m-sde": 2,
}  # fmt: skip


@pytest.mark.parametrize("eta", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("name", BETWEEN)
def test_an_eta_between_none_and_one_scales_the_noise_of_the_sde(name: str, eta: float) -> None:
    """At any eta the SDE keeps the data's variance; of the first noise it keeps, relative to the deviation,
    ((s^2 + b^2) / (s^2 + a^2))^(eta / 2) from VE sigma a to b, as dy = (1 + eta) (x0 - y) d lambda in the
    mean. That tells one eta from another, and both converge at their orders."""
    counts, wrong = (64, 128, 256), []
    for n in counts:
        levels = levels_between(uniform, 10.0, 0.1, n)
        a, b = levels[0].ve_sigma, levels[-1].ve_sigma
        left = ((S2 + b**2) / (S2 + a**2)) ** (eta / 2)
        made = shares(SAMPLERS[name].with_eta(eta), levels)
        wrong.append((abs(made[0].item() / left - 1), abs(made.square().sum().item() - 1)))
    mean, variance = -np.polyfit(np.log(counts), np.log(wrong), 1)[0]
    assert mean == pytest.approx(BETWEEN[name], abs=0.15), wrong
    assert variance == pytest.approx(2, abs=0.15), wrong


@pytest.mark.parametrize("name", [name for name, sampler in SAMPLERS.items() if sampler.eta is not None])
def test_eta_left_empty_is_the_published_one(name: str) -> None:
    """DDIM's own is the ODE (arXiv:2010.02502), TCD's gamma 0.3 (arXiv:2402.19159); else the whole noise."""
    levels = levels_between(karras, 10.0, 0.1, 6)
    published = {"ddim": 0.0, "tcd": 0.3}.get(name, 1.0)
    made = shares(SAMPLERS[name], levels)
    assert torch.equal(made, shares(SAMPLERS[name].with_eta(published), levels))
    other = shares(SAMPLERS[name].with_eta(0.05), levels)
    assert made.shape != other.shape or (made - other).abs().max() > 1e-3


@pytest.mark.parametrize("gamma", [None, 1.0])
def test_consistency_sampling_is_exact_with_a_consistency_function(gamma: float | None) -> None:
    """LCM, and TCD at gamma 1, jump along the ODE to the data and take fresh noise: the variance is right."""
    levels = [*levels_between(karras, 10.0, 0.1, 4), Level(1.0, 0.0)]
    sampler = SAMPLERS["lcm"] if gamma is None else SAMPLERS["tcd"].with_eta(gamma)
    unit = torch.eye(6, dtype=torch.float64).reshape(6, 1, 1, 1, 6)

    def consistency(x: Tensor, level: Level) -> Tensor:
        return x * (S2 / (level.alpha**2 * S2 + level.sigma**2)) ** 0.5

    start = unit[5] * (levels[0].alpha ** 2 * S2 + levels[0].sigma ** 2) ** 0.5
    made = solve(sampler, consistency, start, levels, lambda step, slot=0: unit[step])
    assert made.square().sum().item() == pytest.approx(S2, rel=1e-12)


def test_langevin_steps_bring_back_the_variance_that_large_steps_lose() -> None:
    """Predictor-corrector is not linear, so it is measured by drawing: 64 images of 4096 points each."""
    levels = levels_between(karras, 10.0, 0.1, 64)
    generator = torch.Generator().manual_seed(5)
    shape = (64, 1, 64, 64)
    draw = lambda step=0, slot=0: torch.randn(shape, dtype=torch.float64, generator=generator)  # noqa: E731
    first, last = levels[0], levels[-1]
    start = draw() * (first.alpha**2 * S2 + first.sigma**2) ** 0.5
    made = solve("predictor-corrector", GAUSSIAN.denoise, start, levels, draw).var().item()
    error = made / (last.alpha**2 * S2 + last.sigma**2) - 1
    assert abs(error) < abs(variance_error("reverse-diffusion", levels))


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


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("name", STOCHASTIC)
def test_few_steps_to_an_end_that_keeps_noise_leave_its_variance(name: str, steps: int) -> None:
    assert abs(variance_error(name, levels_between(uniform, 1.0, 0.9, steps))) < 0.03 / steps


@pytest.mark.parametrize("name", [n for n in STOCHASTIC if n not in ("euler-maruyama", "reverse-diffusion")])
def test_a_start_at_any_strength_keeps_the_variance(name: str) -> None:
    """Data noised to level k of 20 and carried down: one level off would be wrong by a third and more."""
    levels = levels_between(karras, 10.0, 0.1, 20)
    whole = abs(variance_error(name, levels))
    for k in range(1, 20):
        assert abs(variance_error(name, levels[k:])) <= max(whole, 0.026) * 1.05, k
