"""The spacings: what they must all keep, and that they are the ones diffusers means by the same names."""

import math
import warnings

import numpy as np
import pytest

from models.table import read_scheduler
from models.torchvision_guard import guard_torchvision
from schedulers import SCHEDULES, Level, Table
from schedulers.level import on_path

guard_torchvision()
from diffusers import DDIMScheduler, EulerDiscreteScheduler  # noqa: E402

SD = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}
ZERO_SNR = SD | {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler"}


def table(config: dict[str, object]) -> Table:
    return read_scheduler(config).table


@pytest.mark.parametrize("steps", [1, 2, 3, 20, 150])
@pytest.mark.parametrize("config", [SD, ZERO_SNR, FLOW], ids=["sd", "zero-snr", "flow"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_noise_falls_at_every_step_and_ends_clean(name: str, config: dict[str, object], steps: int) -> None:
    levels = SCHEDULES[name](table(config | {"timestep_spacing": "trailing"}), steps)
    sigmas = [level.ve_sigma for level in levels]
    assert len(levels) == steps + 1
    assert all(a > b for a, b in zip(sigmas, sigmas[1:], strict=False))
    assert levels[-1] == Level(1.0, 0.0)
    assert all(math.isfinite(v) for level in levels for v in level)


@pytest.mark.parametrize("name", SCHEDULES)
def test_zero_terminal_snr_is_kept_as_the_start(name: str) -> None:
    levels = SCHEDULES[name](table(ZERO_SNR | {"timestep_spacing": "trailing"}), 10)
    assert levels[0] == Level(0.0, 1.0)
    assert math.isfinite(levels[1].ve_sigma)


@pytest.mark.parametrize("steps", [1, 2, 7, 20, 30, 50])
@pytest.mark.parametrize(
    ("spacing", "offset"), [("leading", 0), ("leading", 1), ("trailing", 0), ("linspace", 0)]
)
def test_the_models_own_spacing_is_diffusers(spacing: str, offset: int, steps: int) -> None:
    config = SD | {"timestep_spacing": spacing, "steps_offset": offset}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = DDIMScheduler(**config)
        theirs.set_timesteps(steps)
    ours = table(config)
    expected = [ours.levels[t] for t in theirs.timesteps.tolist()]
    if (spacing, steps) == ("linspace", 1):
        assert expected == [ours.levels[0]]  # numpy's linspace of one point: a start without noise
    assert SCHEDULES["model"](ours, steps)[:-1] == expected


@pytest.mark.parametrize("name", ["karras", "exponential"])
def test_the_ramps_are_diffusers(name: str) -> None:
    theirs = EulerDiscreteScheduler(**SD, **{f"use_{name}_sigmas": True})
    theirs.set_timesteps(20)
    ours = [level.ve_sigma for level in SCHEDULES[name](table(SD), 20)]
    np.testing.assert_allclose(ours, theirs.sigmas.numpy(), rtol=2e-5)


@pytest.mark.parametrize("path", ["vp", "ve", "flow"])
def test_a_path_keeps_its_law(path: str) -> None:
    law = {"vp": lambda a, s: math.hypot(a, s), "ve": lambda a, s: a, "flow": lambda a, s: a + s}[path]
    for sigma in (0.0, 0.03, 1.0, 14.6, 5000.0):
        level = on_path(path, sigma)  # pyright: ignore[reportArgumentType]
        assert law(*level) == pytest.approx(1, abs=1e-12)
        assert level.ve_sigma == pytest.approx(sigma, rel=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_impossible_counts_are_refused(name: str, steps: int) -> None:
    with pytest.raises(ValueError, match=f"got {steps}; allowed: from 1 to 1000 steps"):
        SCHEDULES[name](table(SD), steps)


def test_leading_steps_past_the_table_are_refused() -> None:
    with pytest.raises(ValueError, match="run past the 1000 timesteps"):
        SCHEDULES["model"](table(SD | {"timestep_spacing": "leading", "steps_offset": 1}), 1000)
