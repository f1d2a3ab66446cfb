"""A checkpoint's scheduler config, read as a table of levels and what the network predicts.

Diffusers' scheduler classes are not used: their config is plain numbers. Knows no samplers.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from models.parametrisation import Parametrisation, Prediction
from schedulers.level import Level, Spacing, Table

T = TypeVar("T")
PREDICTIONS: dict[str, Prediction] = {
    "epsilon": "epsilon",
    "v_prediction": "v_prediction",
    "sample": "sample",
    "flow_prediction": "flow",
}
SPACINGS: dict[str, Spacing] = {"leading": "leading", "linspace": "linspace", "trailing": "trailing"}
LEADING_BY_DEFAULT = ("DDIMScheduler", "PNDMScheduler", "DDPMScheduler")


def read_scheduler(config: Mapping[str, Any], fitted: Sequence[object] = ()) -> Parametrisation:
    """From scheduler_config.json, and the VE sigmas that were fitted to the model.

    Raises ``ValueError`` naming the setting that is not understood.
    """
    sigmas = _falling(fitted)
    flow = config.get("_class_name") == "FlowMatchEulerDiscreteScheduler"
    prediction = _choice(config, "prediction_type", PREDICTIONS, "flow_prediction" if flow else "epsilon")
    by_class = "leading" if config.get("_class_name") in LEADING_BY_DEFAULT else "linspace"
    spacing = _choice(config, "timestep_spacing", SPACINGS, "trailing" if flow else by_class)
    if prediction == "flow":
        if config.get("shift", 1.0) != 1.0 or config.get("use_dynamic_shifting"):
            raise ValueError(f"scheduler: got shift {config.get('shift')}; allowed: flow without a shift.")
        return Parametrisation(prediction, Table(_flow_levels(config), "flow", spacing, 0, sigmas))
    levels = tuple(Level(math.sqrt(a), math.sqrt(1 - a)) for a in _alpha_bars(config))
    if prediction == "epsilon" and levels[-1].alpha == 0:
        raise ValueError("scheduler: an epsilon network says nothing about x0 at zero terminal SNR.")
    offset = int(config.get("steps_offset", 0))
    return Parametrisation(prediction, Table(levels, "vp", spacing, offset, sigmas))


def _falling(sigmas: Sequence[object]) -> tuple[float, ...]:
    numbers = [float(s) for s in sigmas if isinstance(s, int | float) and 0 < s < math.inf]
    if len(numbers) != len(sigmas) or any(a <= b for a, b in pairwise(numbers)):
        raise ValueError(f"sigmas: got {list(sigmas)}; allowed: numbers that fall towards 0.")
    return tuple(numbers)


def _flow_levels(config: Mapping[str, Any]) -> tuple[Level, ...]:
    count = int(config.get("num_train_timesteps", 1000))
    return tuple(Level(1 - (i + 1) / count, (i + 1) / count) for i in range(count))


def _alpha_bars(config: Mapping[str, Any]) -> list[float]:
    """Cumulative products of 1 - beta, in float64; with zero terminal SNR if the config asks for it."""
    bars = np.cumprod(1.0 - _betas(config))
    if config.get("rescale_betas_zero_snr"):  # arXiv:2305.08891, algorithm 1
        root = np.sqrt(bars)
        bars = ((root - root[-1]) * (root[0] / (root[0] - root[-1]))) ** 2
    return bars.tolist()


def _betas(config: Mapping[str, Any]) -> np.ndarray:
    trained = config.get("trained_betas")
    if trained is not None:
        return np.asarray(trained, dtype=np.float64)
    count = int(config.get("num_train_timesteps", 1000))
    first, last = float(config.get("beta_start", 0.0001)), float(config.get("beta_end", 0.02))
    match config.get("beta_schedule", "linear"):
        case "linear":
            return np.linspace(first, last, count)
        case "scaled_linear":
            return np.linspace(first**0.5, last**0.5, count) ** 2
        case "squaredcos_cap_v2":  # arXiv:2102.09672, eq. 17
            f = np.cos((np.arange(count + 1) / count + 0.008) / 1.008 * np.pi / 2) ** 2
            return np.minimum(1 - f[1:] / f[:-1], 0.999)
        case other:
            allowed = "linear, scaled_linear, squaredcos_cap_v2"
            raise ValueError(f"scheduler: got beta_schedule {other!r}; allowed: {allowed}.")


def _choice(config: Mapping[str, Any], key: str, table: Mapping[str, T], default: str) -> T:
    name = config.get(key, default)
    if name not in table:
        raise ValueError(f"scheduler: got {key} {name!r}; allowed: {', '.join(table)}.")
    return table[name]
