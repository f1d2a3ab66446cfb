"""Our samplers make what diffusers' schedulers make, from the same estimates of x0 at the same levels.

Levels are read from their tables, so this compares the samplers alone (spacings: test_levels.py). Their
tables and their arithmetic are float32, which sets the tolerance (the data are of size 1).
"""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from models.torchvision_guard import guard_torchvision
from schedulers import SAMPLERS, Level, solve
from schedulers.level import on_path
from tests.schedulers.exact import PAIR, silence

guard_torchvision()
import diffusers  # noqa: E402

BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
TRAILING = BETAS | {"timestep_spacing": "trailing"}
SHAPE = (2, 1, 8, 8)
STEPS = [1, 2, 5, 20]


def start() -> Tensor:
    return torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def draws(steps: int) -> Tensor:
    return torch.randn((steps, *SHAPE), dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def made_by(kind: str, steps: int, **config: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = getattr(diffusers, kind)(**config)
        scheduler.set_timesteps(steps)
    return scheduler


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs.double(), rtol=1e-4, atol=5e-4)


def run_vp(
    scheduler: Any, step: Callable[..., Any], level_of: Callable[[int, int], Level], x: Tensor
) -> Tensor:
    """Their loop with a network that predicts x0."""
    for i, t in enumerate(scheduler.timesteps):
        x0 = PAIR.denoise(x.double(), level_of(i, int(t)))
        x = step(x0, t, x, i)
    return x


def bar_level(scheduler: Any, t: int) -> Level:
    bar = scheduler.alphas_cumprod[t].double().item()
    return Level(bar**0.5, (1 - bar) ** 0.5)


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps", STEPS)
def test_ddim(steps: int, eta: float, zero_snr: bool) -> None:
    if zero_snr and eta == 1:
        eta = 0.99  # at 1 their float32 takes the root of what rounding leaves of 0, now and then less
    config = TRAILING | {
        "prediction_type": "sample",
        "clip_sample": False,
        "rescale_betas_zero_snr": zero_snr,
    }
    scheduler = made_by("DDIMScheduler", steps, **config)
    levels = [bar_level(scheduler, t) for t in scheduler.timesteps.tolist()] + [Level(1.0, 0.0)]
    noise = draws(steps)
    theirs = run_vp(
        scheduler,
        lambda x0, t, x, i: scheduler.step(x0, t, x, eta=eta, variance_noise=noise[i]).prev_sample,
        lambda i, t: bar_level(scheduler, t),
        start(),
    )
    ours = solve(
        SAMPLERS["ddim"].with_eta(eta), PAIR.denoise, start(), levels, lambda step, slot=0: noise[step]
    )
    close(ours, theirs)


@pytest.mark.parametrize("steps", [2, 5, 20, 100])
def test_ddpm(steps: int) -> None:
    config = BETAS | {"timestep_spacing": "leading", "prediction_type": "sample", "clip_sample": False}
    scheduler = made_by("DDPMScheduler", steps, **config)
    levels = [bar_level(scheduler, t) for t in scheduler.timesteps.tolist()] + [Level(1.0, 0.0)]
    theirs_rng, ours_rng = (torch.Generator().manual_seed(4) for _ in range(2))
    theirs = run_vp(
        scheduler,
        lambda x0, t, x, i: scheduler.step(x0, t, x, generator=theirs_rng).prev_sample,
        lambda i, t: bar_level(scheduler, t),
        start(),
    )
    fresh = lambda step, slot=0: torch.randn(SHAPE, dtype=torch.float64, generator=ours_rng)  # noqa: E731
    close(solve("ddpm", PAIR.denoise, start(), levels, fresh), theirs)


def run_ve(scheduler: Any, x: Tensor, **keywords: Any) -> Tensor:
    """Their loop with a network that predicts the noise, as Stable Diffusion does."""
    for t in scheduler.timesteps:
        scheduler.scale_model_input(x, t)  # finds the step's index; a network would see its result
        level = Level(1.0, scheduler.sigmas[scheduler.step_index].item())
        eps = (x.double() - PAIR.denoise(x.double(), level)) / level.sigma
        x = scheduler.step(eps, t, x, **keywords).prev_sample
    return x


@pytest.mark.parametrize("karras", [False, True])
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize(
    ("name", "kind"), [("euler", "EulerDiscreteScheduler"), ("heun", "HeunDiscreteScheduler")]
)
def test_euler_and_heun(name: str, kind: str, steps: int, karras: bool) -> None:
    if karras and steps == 1:
        pytest.skip("their Karras ramp of one step divides by zero")
    scheduler = made_by(kind, steps, **TRAILING, use_karras_sigmas=karras)
    sigmas = scheduler.sigmas.double().unique().flip(0).tolist()
    x = start() * sigmas[0]
    levels = [Level(1.0, sigma) for sigma in sigmas]
    assert len(levels) == steps + 1
    close(solve(name, PAIR.denoise, x, levels, silence), run_ve(scheduler, x))


@pytest.mark.parametrize("steps", STEPS)
def test_euler_ancestral(steps: int) -> None:
    scheduler = made_by("EulerAncestralDiscreteScheduler", steps, **TRAILING)
    levels = [Level(1.0, sigma) for sigma in scheduler.sigmas.double().tolist()]
    theirs_rng, ours_rng = (torch.Generator().manual_seed(4) for _ in range(2))
    x = start() * levels[0].sigma
    theirs = run_ve(scheduler, x, generator=theirs_rng)
    fresh = lambda step, slot=0: torch.randn(SHAPE, dtype=torch.float64, generator=ours_rng)  # noqa: E731
    close(solve("euler-a", PAIR.denoise, x, levels, fresh), theirs)


@pytest.mark.parametrize("karras", [False, True])
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize(
    ("name", "algorithm"), [("dpmpp-2m", "dpmsolver++"), ("dpmpp-2m-sde", "sde-dpmsolver++")]
)
def test_dpmpp(name: str, algorithm: str, steps: int, karras: bool) -> None:
    if karras and steps == 1:
        pytest.skip("their Karras ramp of one step divides by zero")
    config = TRAILING | {
        "prediction_type": "sample",
        "algorithm_type": algorithm,
        "use_karras_sigmas": karras,
    }
    scheduler = made_by("DPMSolverMultistepScheduler", steps, **config, final_sigmas_type="zero")
    levels = [on_path("vp", sigma) for sigma in scheduler.sigmas.double().tolist()]
    noise = draws(steps)
    theirs = run_vp(
        scheduler,
        lambda x0, t, x, i: scheduler.step(x0, t, x, variance_noise=noise[i]).prev_sample,
        lambda i, t: levels[i],
        start(),
    )
    close(solve(name, PAIR.denoise, start(), levels, lambda step, slot=0: noise[step]), theirs)


@pytest.mark.parametrize("steps", [2, 5, 20])
@pytest.mark.parametrize(
    ("name", "kind", "order"),
    [("unipc-2", "UniPCMultistepScheduler", 2), ("unipc-3", "UniPCMultistepScheduler", 3),
     ("deis-2", "DEISMultistepScheduler", 2), ("deis-3", "DEISMultistepScheduler", 3)],
)  # fmt: skip
def test_multistep(name: str, kind: str, order: int, steps: int) -> None:
    """To their smallest sigma: to none, they lower the order by rules of their own."""
    more = {"final_sigmas_type": "sigma_min"} if kind.startswith("UniPC") else {}
    config = TRAILING | {"prediction_type": "sample", "solver_order": order, "lower_order_final": False}
    scheduler = made_by(kind, steps, **config, **more)
    levels = [on_path("vp", sigma) for sigma in scheduler.sigmas.double().tolist()]
    theirs = run_vp(
        scheduler,
        lambda x0, t, x, i: scheduler.step(x0, t, x).prev_sample,
        lambda i, t: levels[i],
        start(),
    )
    close(solve(name, PAIR.denoise, start(), levels, silence), theirs)


@pytest.mark.parametrize("steps", [2, 5, 20])
def test_pndm(steps: int) -> None:
    """Their second timestep comes twice: the first of the two is Heun's correction of the first step."""
    config = BETAS | {"timestep_spacing": "leading", "skip_prk_steps": True, "set_alpha_to_one": True}
    scheduler = made_by("PNDMScheduler", steps, **config)
    timesteps = scheduler.timesteps.tolist()
    levels = [bar_level(scheduler, t) for t in dict.fromkeys(timesteps)] + [Level(1.0, 0.0)]
    x = start()
    for t in timesteps:
        level = bar_level(scheduler, t)
        eps = (x.double() - level.alpha * PAIR.denoise(x.double(), level)) / level.sigma
        x = scheduler.step(eps, t, x).prev_sample
    close(solve("pndm", PAIR.denoise, start(), levels, silence), x)
