"""Inversion goes the sampler's own way back: round trips close at its order; only ODEs have one."""

import numpy as np
import pytest
import torch

from schedulers import SAMPLERS, Level, invert, solve
from tests.schedulers.exact import PAIR, levels_between, silence, uniform


@pytest.mark.parametrize("name", ["euler", "heun", "dpm-2", "dpmpp-2s"])
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


def test_the_latent_is_where_the_ode_comes_from() -> None:
    levels = levels_between(uniform, 5.0, 0.2, 200)
    x = torch.linspace(-2, 2, 21, dtype=torch.float64).reshape(1, 1, 1, 21)
    found = invert("heun", PAIR.denoise, x, levels)
    torch.testing.assert_close(found, PAIR.carry(x, levels[-1], levels[0]), rtol=0, atol=2e-3)


def test_what_has_no_way_back_is_refused() -> None:
    x = torch.zeros(1, 1, 1, 1)
    with pytest.raises(ValueError, match="euler-a, which draws noise"):
        invert("euler-a", PAIR.denoise, x, levels_between(uniform, 5.0, 0.2, 4))
    with pytest.raises(ValueError, match="levels that have both"):
        invert("euler", PAIR.denoise, x, [Level(0.6, 0.8), Level(1.0, 0.0)])
