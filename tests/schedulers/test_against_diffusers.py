"""Our deterministic samplers have the coefficients of diffusers' schedulers, in float64, to 1e-10.

Spacings: test_levels.py. Where one name has two algorithms: docs/decisions/0008-samplers.md.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from schedulers import Level, invert
from schedulers.level import CLEAN, on_path
from tests.schedulers.exact import karras, levels_between, uniform
from tests.schedulers.one_hot import (
    START,
    Network,
    bars,
    close,
    exploding,
    noise_of,
    ours,
    preserving,
    theirs,
    x0_of,
)  # fmt: skip

BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
TRAILING = BETAS | {"timestep_spacing": "trailing"}
PLAIN = {"prediction_type": "sample"}
STEPS = [1, 2, 5, 20]
Make = Callable[..., Any]


@pytest.mark.parametrize("steps", [2, 5, 20])
def test_ddim_inversion(make: Make, steps: int) -> None:
    """Theirs begins at a level of no noise but calls it by that of timestep 0."""
    scheduler = make("DDIMInverseScheduler", steps, **BETAS, clip_sample=False, set_alpha_to_one=False)
    timesteps = scheduler.timesteps.tolist()
    asked = bars(scheduler, [0, *timesteps[:-1]])
    network, x = Network(), START
    for t, level in zip(timesteps, asked, strict=True):
        x = scheduler.step(noise_of(x, network(x, level), level), t, x).prev_sample
    mine = Network()
    up = [*bars(scheduler, timesteps)[::-1], asked[0]]
    close(mine.rows(invert("ddim", mine, START, up)), network.rows(x))


@pytest.mark.parametrize("karras", [False, True])
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize(
    ("name", "kind"),
    [("euler", "EulerDiscreteScheduler"), ("heun", "HeunDiscreteScheduler"), ("lms", "LMSDiscreteScheduler"),
     ("ipndm-v", "LMSDiscreteScheduler"), ("dpm-2", "KDPM2DiscreteScheduler")],
)  # fmt: skip
def test_on_an_exploding_path(make: Make, name: str, kind: str, steps: int, karras: bool) -> None:
    """With a network that predicts the noise, as Stable Diffusion's does."""
    if karras and steps == 1:
        pytest.skip("their Karras ramp of one step divides by zero")
    scheduler = make(kind, steps, **TRAILING, use_karras_sigmas=karras)
    asked = scheduler.sigmas.clone()[: len(scheduler.timesteps)]
    if kind.startswith("KDPM2"):
        asked[1::2] = scheduler.sigmas_interpol[1 : len(asked) : 2]
    path = exploding(scheduler.sigmas.unique().flip(0))
    assert len(path) == steps + 1
    close(ours(name, path), theirs(scheduler, exploding(asked), noise_of))


@pytest.mark.parametrize("karras", [False, True])
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize(
    ("name", "algorithm", "solver", "order"),
    [("dpmpp-2m", "dpmsolver++", "midpoint", 2), ("res-2m", "dpmsolver++", "heun", 2),
     ("dpmpp-2m-sde", "sde-dpmsolver++", "midpoint", 2), ("dpmpp-2m-sde-heun", "sde-dpmsolver++", "heun", 2),
     ("dpmpp-3m", "dpmsolver++", "heun", 3)],
)  # fmt: skip
def test_dpmpp(
    make: Make, name: str, algorithm: str, solver: str, order: int, steps: int, karras: bool
) -> None:
    if karras and steps == 1:
        pytest.skip("their Karras ramp of one step divides by zero")
    config = TRAILING | PLAIN | {"algorithm_type": algorithm, "solver_type": solver, "solver_order": order}
    more = {"use_karras_sigmas": karras, "final_sigmas_type": "zero", "lower_order_final": False}
    scheduler = make("DPMSolverMultistepScheduler", steps, **config, **more)
    levels = preserving(scheduler.sigmas)
    close(ours(name, levels), theirs(scheduler, levels[:-1], x0_of))


@pytest.mark.parametrize("steps", [2, 6, 20])
@pytest.mark.parametrize(("name", "solver"), [("dpmpp-2s", "midpoint"), ("res-2s", "heun")])
def test_dpmpp_singlestep(make: Make, name: str, solver: str, steps: int) -> None:
    """Theirs takes two levels for one step, and ours finds the one between: half-way in log-SNR here."""
    config = BETAS | PLAIN | {"solver_order": 2, "solver_type": solver, "lower_order_final": False}
    scheduler = make("DPMSolverSinglestepScheduler", steps, **config, final_sigmas_type="sigma_min")
    levels = levels_between(uniform, 14.0, 0.03, steps)
    scheduler.sigmas = torch.tensor([level.ve_sigma for level in levels])
    close(ours(name, levels[::2]), theirs(scheduler, levels[:-1], x0_of))


@pytest.mark.parametrize("steps", [2, 5, 20])
@pytest.mark.parametrize(
    ("name", "kind", "order", "end"),
    [("unipc-2", "UniPC", 2, "zero"), ("unipc-2", "UniPC", 2, "sigma_min"),
     ("unipc-3", "UniPC", 3, "sigma_min"), ("deis-2", "DEIS", 2, None), ("deis-3", "DEIS", 3, None)],
)  # fmt: skip
def test_multistep(make: Make, name: str, kind: str, order: int, end: str | None, steps: int) -> None:
    """In the step to no noise theirs would divide by none, so UniPC is told to lower its order: that of 2
    does so only there, that of 3 in the step before, too. Their DEIS ends at the smallest noise."""
    config = TRAILING | PLAIN | {"solver_order": order, "lower_order_final": end == "zero"}
    scheduler = make(
        f"{kind}MultistepScheduler", steps, **config, **({"final_sigmas_type": end} if end else {})
    )
    levels = preserving(scheduler.sigmas)
    assert (levels[-1].sigma == 0) == (end == "zero")
    close(ours(name, levels), theirs(scheduler, levels[:-1], x0_of))


@pytest.mark.parametrize("steps", [2, 5, 20])
def test_pndm(make: Make, steps: int) -> None:
    """Their second timestep comes twice: the first of the two is Heun's correction of the first step."""
    config = BETAS | {"timestep_spacing": "leading", "skip_prk_steps": True, "set_alpha_to_one": True}
    scheduler = make("PNDMScheduler", steps, **config)
    levels = bars(scheduler, list(dict.fromkeys(scheduler.timesteps.tolist())))
    close(ours("pndm", [*levels, CLEAN]), theirs(scheduler, bars(scheduler), noise_of))


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_ipndm(make: Make, steps: int) -> None:
    """Theirs is for networks that say (noise - sigma x) / alpha; its ``betas`` are the levels' sigmas."""
    levels = (
        [*levels_between(karras, 20.0, 0.05, steps - 1), CLEAN] if steps > 1 else [on_path("vp", 20), CLEAN]
    )
    scheduler = make("IPNDMScheduler", steps, trained_betas=[level.sigma for level in levels])

    def says(x: Tensor, x0: Tensor, level: Level) -> Tensor:
        return (noise_of(x, x0, level) - level.sigma * x) / level.alpha

    close(ours("ipndm", levels), theirs(scheduler, levels[:-1], says))


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_euler_on_a_flow(make: Make, steps: int) -> None:
    scheduler = make("FlowMatchEulerDiscreteScheduler", steps, shift=3.0)
    levels = [Level(1 - sigma, sigma) for sigma in scheduler.sigmas.tolist()]

    def velocity(x: Tensor, x0: Tensor, level: Level) -> Tensor:
        return (x - x0) / level.sigma

    network, x = Network(), START
    for t, level in zip(scheduler.timesteps, levels, strict=False):
        x = scheduler.step(velocity(x, network(x, level), level), t, x).prev_sample
    close(ours("euler", levels), network.rows(x))
