"""A scheduler config is read as the table diffusers makes of it."""

import math
import warnings
from typing import Any

import pytest
import torch

from models.table import read_scheduler
from models.torchvision_guard import guard_torchvision
from schedulers import Level

guard_torchvision()
from diffusers import DDIMScheduler  # noqa: E402

CONFIGS: list[dict[str, Any]] = [
    {"beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02},
    {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    {"beta_schedule": "squaredcos_cap_v2"},
    {"trained_betas": [0.01, 0.02, 0.3, 0.999], "num_train_timesteps": 4},
    {"beta_schedule": "scaled_linear", "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
    {"beta_schedule": "squaredcos_cap_v2", "rescale_betas_zero_snr": True, "prediction_type": "sample"},
]


@pytest.mark.parametrize("config", CONFIGS)
def test_the_levels_are_diffusers(config: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = DDIMScheduler(**config).alphas_cumprod
    ours = torch.tensor(
        [level.alpha**2 for level in read_scheduler(config).table.levels], dtype=torch.float64
    )
    torch.testing.assert_close(ours.float(), theirs, rtol=2e-4, atol=1e-7)


def test_trained_betas_may_end_in_pure_noise() -> None:
    config = {"trained_betas": [0.1, 0.5, 1.0], "prediction_type": "sample"}
    assert read_scheduler(config).table.levels[-1] == Level(0.0, 1.0)


@pytest.mark.parametrize(
    "config",
    [
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0},
        {"prediction_type": "flow_prediction", "num_train_timesteps": 1000},
    ],
)
def test_flow(config: dict[str, Any]) -> None:
    read = read_scheduler(config)
    assert read.prediction == "flow"
    assert read.table.levels[-1] == Level(0.0, 1.0)
    assert all(math.isclose(level.alpha + level.sigma, 1) for level in read.table.levels)
    assert read.timestep(read.table.levels[249]) == pytest.approx(250)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"beta_schedule": "sigmoid"}, "got beta_schedule 'sigmoid'; allowed: linear"),
        ({"prediction_type": "score"}, "got prediction_type 'score'; allowed: epsilon"),
        ({"timestep_spacing": "middle"}, "got timestep_spacing 'middle'; allowed: leading"),
        ({"rescale_betas_zero_snr": True}, "zero terminal SNR"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}, "got shift 3.0"),
    ],
)
def test_what_is_not_understood_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_scheduler(config)


@pytest.mark.parametrize(
    ("name", "spacing"),
    [("PNDMScheduler", "leading"), ("DDIMScheduler", "leading"), ("EulerDiscreteScheduler", "linspace")],
)
def test_a_config_without_spacing_means_its_class_default(name: str, spacing: str) -> None:
    assert read_scheduler({"_class_name": name}).table.spacing == spacing
