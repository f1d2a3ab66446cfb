"""Each deterministic sampler converges to the exact solution at the order it claims, on every path."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from schedulers import SAMPLERS, Level, solve
from schedulers.level import Path, between, finite, move, on_path
from schedulers.samplers.weights import exponential
from tests.schedulers.exact import GAUSSIAN, PAIR, Curve, Mixture, karras, levels_between, silence, uniform

DETERMINISTIC = [name for name, s in SAMPLERS.items() if not s.stochastic and s.order is not None]
# Their first steps are of lower order than the rest (fewer estimates are known), which is what remains at
# very many steps and what they claim; over these steps they converge faster (decision 0008).
STARTED_LOW = {"lms": 3.05, "ipndm-v": 3.05, "deis-3": 2.8, "dpmpp-3m": 2.3, "unipc-3": 4.05}
COUNTS = (32, 64, 128, 256, 512)


def error(name: str, data: Mixture, curve: Curve, steps: int, path: Path) -> float:
    """The largest error over a spread of starting points, sigma 10 to 0.1, in units of the data."""
    levels = levels_between(curve, 10.0, 0.1, steps, path)
    x = torch.linspace(-15, 15, 61, dtype=torch.float64).reshape(1, 1, 1, 61) * levels[0].alpha
    found = solve(name, data.denoise, x, levels, silence)
    return ((found - data.carry(x, levels[0], levels[-1])).abs().max() / levels[-1].alpha).item()


@pytest.mark.parametrize("path", ["vp", "ve", "flow"])
@pytest.mark.parametrize("curve", [uniform, karras])
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_the_mixture_is_reached_at_the_claimed_order(name: str, curve: Curve, path: Path) -> None:
    errors = [error(name, PAIR, curve, steps, path) for steps in COUNTS]
    slope = -np.polyfit(np.log(COUNTS), np.log(errors), 1)[0]
    order = SAMPLERS[name].order
    assert order is not None and STARTED_LOW.get(name, order) >= order
    assert slope == pytest.approx(STARTED_LOW.get(name, order), abs=0.15), errors
    assert errors[-1] < 0.02


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_pure_noise_becomes_the_gaussian(name: str) -> None:
    """From zero terminal SNR the ODE scales unit noise to the data's deviation, 0.5."""
    levels = [Level(0.0, 1.0), *levels_between(uniform, 300.0, 0.002, 400), Level(1.0, 0.0)]
    x = torch.tensor([[[[-2.0, 0.3, 1.7]]]], dtype=torch.float64)
    found = solve(name, GAUSSIAN.denoise, x, levels, silence)
    torch.testing.assert_close(found, x * 0.5, rtol=0.02, atol=0)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_path_gives_the_same_picture(name: str) -> None:
    draws = torch.randn(12, 4, 3, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = []
    for path in ("vp", "ve", "flow"):
        levels = [*levels_between(karras, 10.0, 0.1, 10, path), Level(1.0, 0.0)]
        x = draws[11, 0] * levels[0].sigma
        found.append(solve(name, PAIR.denoise, x, levels, lambda step, slot=0: draws[step, slot]))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-10)
    torch.testing.assert_close(found[2], found[0], rtol=0, atol=1e-10)


PLAIN = {
    "ddim": "euler", "euler-a": "euler", "tcd": "euler", "dpmpp-2m-sde": "dpmpp-2m",
    "dpmpp-2m-sde-heun": "res-2m", "dpmpp-3m-sde": "dpmpp-3m", "dpm-2-a": "dpm-2", "dpmpp-2s-a": "dpmpp-2s",
    "dpmpp-sde": "dpmpp-2s", "seeds-2": "dpmpp-2s", "churn": "heun",
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n, s in SAMPLERS.items() if s.eta is not None])
def test_eta_zero_is_the_ode_bit_for_bit(name: str) -> None:
    if name not in PLAIN:
        pytest.skip("its ODE has no name of its own; its order at eta 0 is tested below")
    plain = PLAIN[name]
    levels = [*levels_between(karras, 10.0, 0.1, 10), Level(1.0, 0.0)]
    x = torch.linspace(-1, 1, 8, dtype=torch.float64).reshape(2, 1, 2, 2)
    still = solve(SAMPLERS[name].with_eta(0.0), PAIR.denoise, x, levels, silence)
    assert torch.equal(still, solve(plain, PAIR.denoise, x, levels, silence))


@pytest.mark.parametrize(("name", "order"), [("seeds-3", 3), ("sa-solver", 4)])
def test_the_ode_of_an_sde_sampler_without_noise(name: str, order: int) -> None:
    still = SAMPLERS[name].with_eta(0.0)
    errors = []
    for steps in (32, 64, 128):
        levels = levels_between(uniform, 10.0, 0.1, steps)
        x = torch.linspace(-15, 15, 61, dtype=torch.float64).reshape(1, 1, 1, 61) * levels[0].alpha
        found = solve(still, PAIR.denoise, x, levels, silence)
        errors.append((found - PAIR.carry(x, levels[0], levels[-1])).abs().max().item())
    slope = -np.polyfit(np.log((32, 64, 128)), np.log(errors), 1)[0]
    assert slope > order - 0.3, errors


def stages_of_three(x: Tensor, levels: list[Level]) -> Tensor:
    """SEEDS-3 without its noise: an exponential Runge-Kutta rule of three stages."""
    for a, b in pairwise(levels):
        d = x0 = PAIR.denoise(x, a)
        if finite(a, b):
            m, n = between(a, b, 1 / 3), between(a, b, 2 / 3)
            x0_m = PAIR.denoise(move(x, x0, a, m), m)
            v, w = exponential((a, m), a, n)
            x0_n = PAIR.denoise(move(x, v * x0 + w * x0_m, a, n), n)
            v, w = exponential((a, n), a, b)
            d = v * x0 + w * x0_n
        x = move(x, d, a, b)
    return x


def adams_corrected(x: Tensor, levels: list[Level]) -> Tensor:
    """SA-Solver without its noise: Adams-Bashforth of three estimates, corrected by Adams-Moulton of four."""
    past: list[tuple[Level, Tensor]] = []
    before = x

    def along(known: list[tuple[Level, Tensor]], a: Level, b: Level) -> Tensor:
        weights = exponential([level for level, _ in known], a, b)
        return sum(
            (w * x0 for w, (_, x0) in zip(weights[1:], known[1:], strict=True)), weights[0] * known[0][1]
        )

    for a, b in pairwise(levels):
        x0 = PAIR.denoise(x, a)
        if past:
            x = move(before, along([past[0], (a, x0), *past[1:]], past[0][0], a), past[0][0], a)
        past = [(a, x0), *past][:3]
        before = x
        x = move(x, along(past, a, b) if finite(a, b) else x0, a, b)
    return x


@pytest.mark.parametrize(("name", "plain"), [("seeds-3", stages_of_three), ("sa-solver", adams_corrected)])
def test_eta_zero_is_the_rule_written_out_bit_for_bit(
    name: str, plain: Callable[[Tensor, list[Level]], Tensor]
) -> None:
    for path in ("vp", "ve", "flow"):
        levels = [*levels_between(karras, 10.0, 0.1, 10, path), Level(1.0, 0.0)]
        x = torch.linspace(-1, 1, 8, dtype=torch.float64).reshape(2, 1, 2, 2)
        still = solve(SAMPLERS[name].with_eta(0.0), PAIR.denoise, x, levels, silence)
        assert torch.equal(still, plain(x, levels))


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("name", SAMPLERS)
def test_few_steps_to_an_end_that_keeps_noise(name: str, steps: int) -> None:
    """They end there and ask nowhere below; the ODE's are near the exact solution."""
    levels = levels_between(uniform, 1.0, 0.8, steps)
    x = torch.linspace(-2, 2, 8, dtype=torch.float64).reshape(2, 1, 2, 2)
    asked: list[Level] = []

    def network(x: Tensor, level: Level) -> Tensor:
        asked.append(level)
        return PAIR.denoise(x, level)

    found = solve(name, network, x, levels, lambda step, slot=0: torch.zeros_like(x))
    assert found.isfinite().all() and min(level.ve_sigma for level in asked) > 0.8 - 1e-9
    if not SAMPLERS[name].stochastic:
        exact = PAIR.carry(x, levels[0], levels[-1])
        torch.testing.assert_close(found, exact, rtol=0, atol=0.04 / steps)


@pytest.mark.parametrize(
    "start", [Level(0.0, 1.0), on_path("vp", 14.6), on_path("ve", 80.0), on_path("flow", 20.0)]
)
@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("name", SAMPLERS)
def test_few_steps_work_from_any_start(name: str, steps: int, start: Level) -> None:
    """One step lands on the estimate itself; more stay near the data, Euler-Maruyama's blind steps apart."""
    inner = [on_path("ve" if start.alpha == 1 else "vp", s) for s in (3.0, 0.5)[: steps - 1]]
    x = torch.linspace(-2, 2, 8, dtype=torch.float64).reshape(2, 1, 2, 2) * start.sigma
    found = solve(
        name, PAIR.denoise, x, [start, *inner, Level(1.0, 0.0)], lambda step, slot=0: torch.ones_like(x)
    )
    if steps == 1:
        torch.testing.assert_close(found, PAIR.denoise(x, start))
    assert found.abs().max() < (20_000 if name == "euler-maruyama" else 12)


@pytest.mark.parametrize("name", SAMPLERS)
def test_rows_do_not_see_each_other(name: str) -> None:
    levels = [Level(0.0, 1.0), *levels_between(karras, 10.0, 0.1, 6), Level(1.0, 0.0)]
    draws = torch.randn(9, 3, 4, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    order = [2, 0, 3, 1]
    x = draws[8, 0]
    whole = solve(name, PAIR.denoise, x, levels, lambda step, slot=0: draws[step, slot])
    mixed = solve(name, PAIR.denoise, x[order], levels, lambda step, slot=0: draws[step, slot][order])
    assert torch.equal(mixed, whole[order])


def test_a_sampler_without_eta_refuses_one() -> None:
    with pytest.raises(ValueError, match=r"Euler takes no eta, got 0\.5"):
        SAMPLERS["euler"].with_eta(0.5)
    assert SAMPLERS["ddim"].with_eta(None) == SAMPLERS["ddim"]
    assert SAMPLERS["ddim"].with_eta(0.5) == replace(SAMPLERS["ddim"], eta=0.5)


def test_the_reference_is_right() -> None:
    """The Gaussian's closed form agrees with the bisection: both references cannot share a mistake."""
    a, b = on_path("vp", 10.0), on_path("vp", 0.1)
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    scale = math.hypot(b.alpha * 0.5, b.sigma) / math.hypot(a.alpha * 0.5, a.sigma)
    torch.testing.assert_close(GAUSSIAN.carry(x, a, b), x * scale, rtol=0, atol=1e-9)
