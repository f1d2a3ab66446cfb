"""Inversion goes the sampler's own way back: round trips close at its order; only ODEs have one."""

import numpy as np
import pytest
import torch

from schedulers import SAMPLERS, Level, invert, solve
from schedulers.level import Path
from tests.schedulers.exact import PAIR, levels_between, silence, uniform

DETERMINISTIC = [name for name, sampler in SAMPLERS.items() if not sampler.stochastic]


@pytest.mark.parametrize("name", [name for name in DETERMINISTIC if not SAMPLERS[name].alone])
def test_a_round_trip_closes_at_the_samplers_order(name: str) -> None:
    errors = []
    for steps in (32, 64, 128):
        levels = levels_between(uniform, 5.0, 0.2, steps)
        x = torch.linspace(-2, 2, 21, dtype=torch.float64).reshape(1, 1, 1, 21)
        up = invert(name, PAIR.denoise, x, levels)
        back = solve(name, PAIR.denoise, up, levels, silence)
        errors.append((back - x).abs().max().item())
    slope = -np.polyfit(np.log((32, 64, 128)), np.log(errors), 1)[0]
    assert slope > (SAMPLERS[name].order or 0) - 0.25, errors


@pytest.mark.parametrize("path", ["vp", "ve", "flow"])
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_the_latent_is_where_the_ode_comes_from(name: str, path: Path) -> None:
    levels = levels_between(uniform, 5.0, 0.2, 200, path)
    x = torch.linspace(-2, 2, 21, dtype=torch.float64).reshape(1, 1, 1, 21) * levels[-1].alpha
    found = invert(name, PAIR.denoise, x, levels)
    near = 0.05 if SAMPLERS[name].order == 1 else 2e-3
    exact = PAIR.carry(x, levels[-1], levels[0])
    torch.testing.assert_close(found / levels[0].alpha, exact / levels[0].alpha, rtol=0, atol=near)


def test_what_has_no_way_back_is_refused() -> None:
    x = torch.zeros(1, 1, 1, 1)
    levels = levels_between(uniform, 5.0, 0.2, 4)
    with pytest.raises(ValueError, match=r"euler-a at eta 1, which draws noise; allowed: one of dpmpp-2m, "):
        invert("euler-a", PAIR.denoise, x, levels)
    with pytest.raises(ValueError, match="er-sde, which draws noise"):
        invert("er-sde", PAIR.denoise, x, levels)
    with pytest.raises(ValueError, match=r"ddim at eta 0\.5, which draws noise; allowed: .*, ddim\."):
        invert(SAMPLERS["ddim"].with_eta(0.5), PAIR.denoise, x, levels)
    with pytest.raises(ValueError, match="euler-a at eta 0, which is made for falling noise"):
        invert(SAMPLERS["euler-a"].with_eta(0.0), PAIR.denoise, x, levels)
    with pytest.raises(ValueError, match="levels that have both"):
        invert("euler", PAIR.denoise, x, [Level(0.6, 0.8), Level(1.0, 0.0)])
