"""Our samplers have the coefficients of k-diffusion's, in float64, to 1e-10; our ramps are its ramps."""

import math
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from schedulers import SAMPLERS, SCHEDULES, Level, Table, solve
from tests.schedulers import one_hot
from tests.schedulers.exact import GAUSSIAN, karras, levels_between
from tests.schedulers.one_hot import START, Network, close

DRAWS = one_hot.DRAWS[:24].unflatten(0, (12, 2))  # of each step and slot
STEPS = [2, 3, 12]


def _k_diffusion() -> Any:
    """Its file of samplers alone: the package imports its training script and what that depends on."""
    package = find_spec("k_diffusion")
    if package is None or not package.submodule_search_locations:
        missing = "k-diffusion is not installed: make setup, or pip install --no-deps k-diffusion"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    file = Path(package.submodule_search_locations[0]) / "sampling.py"
    utils = ModuleType("k_oracle.utils")
    utils.append_dims = lambda x, dims: x[(...,) + (None,) * (dims - x.ndim)]  # pyright: ignore
    unused = {name: ModuleType(name) for name in ("torchsde", "torchdiffeq")}
    unused["torchdiffeq"].odeint = None  # pyright: ignore
    for name, module in {"k_oracle": ModuleType("k_oracle"), "k_oracle.utils": utils, **unused}.items():
        sys.modules.setdefault(name, module)
    sys.modules["k_oracle"].utils = utils  # pyright: ignore
    spec = spec_from_file_location("k_oracle.sampling", file)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def k() -> Any:
    return _k_diffusion()


def levels(steps: int) -> list[Level]:
    return [*levels_between(karras, 10.0, 0.1, steps - 1, "ve"), Level(1.0, 0.0)]


def theirs(run: Callable[..., Tensor], path: list[Level], **more: Any) -> Tensor:
    network = Network()

    def model(x: Tensor, sigma: Tensor) -> Tensor:
        return network(x, Level(1.0, sigma[0].item()))

    sigmas = torch.tensor([level.sigma for level in path], dtype=torch.float64)
    return network.rows(run(model, START, sigmas, disable=True, **more))


def ours(name: str, path: list[Level], eta: float | None = None) -> Tensor:
    return one_hot.ours(SAMPLERS[name].with_eta(eta), path, lambda step, slot=0: DRAWS[step, slot])


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize(
    ("name", "function"),
    [("euler", "sample_euler"), ("heun", "sample_heun"), ("dpm-2", "sample_dpm_2"), ("lms", "sample_lms"),
     ("dpmpp-2m", "sample_dpmpp_2m")],
)  # fmt: skip
def test_deterministic(k: Any, name: str, function: str, steps: int) -> None:
    path = levels(steps)
    close(ours(name, path), theirs(getattr(k, function), path))


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize(
    ("name", "function", "more"),
    [("euler-a", "sample_euler_ancestral", {}), ("dpm-2-a", "sample_dpm_2_ancestral", {}),
     ("dpmpp-2s-a", "sample_dpmpp_2s_ancestral", {}),
     ("dpmpp-2m-sde", "sample_dpmpp_2m_sde", {"solver_type": "midpoint"}),
     ("dpmpp-2m-sde-heun", "sample_dpmpp_2m_sde", {"solver_type": "heun"}),
     ("dpmpp-3m-sde", "sample_dpmpp_3m_sde", {})],
)  # fmt: skip
def test_stochastic(k: Any, name: str, function: str, more: dict[str, Any], steps: int, eta: float) -> None:
    path = levels(steps)

    def noise(sigma: Tensor, after: Tensor) -> Tensor:
        return DRAWS[step_of(path, float(sigma)), 0]

    close(ours(name, path, eta), theirs(getattr(k, function), path, eta=eta, noise_sampler=noise, **more))


@pytest.mark.parametrize("steps", STEPS)
def test_dpmpp_sde_on_one_brownian_motion(k: Any, steps: int) -> None:
    """The motion is given its increments over the halves of each step; the whole step's follows."""
    path = levels(steps)

    def noise(sigma: Tensor, after: Tensor) -> Tensor:
        step = step_of(path, float(sigma))
        a, b = path[step].sigma, path[step + 1].sigma
        if not math.isclose(float(after), b, rel_tol=1e-9):
            return DRAWS[step, 0]
        share = (a - math.sqrt(a * b)) / (a - b)
        return math.sqrt(share) * DRAWS[step, 0] + math.sqrt(1 - share) * DRAWS[step, 1]

    close(ours("dpmpp-sde", path), theirs(k.sample_dpmpp_sde, path, noise_sampler=noise))


@pytest.mark.parametrize("eta", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("steps", [2, 5, 24, 60])
def test_churn_is_heun_with_noise_read_off_one_hot(
    k: Any, steps: int, eta: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every coefficient of its first noise and of its later ones. The path begins above the largest sigma at
    which noise is added and ends below the smallest."""
    path = [*levels_between(karras, 80.0, 0.02, steps - 1, "ve"), Level(1.0, 0.0)]
    unit = torch.eye(steps + 1, dtype=torch.float64).reshape(steps + 1, 1, 1, 1, steps + 1)
    sampler = SAMPLERS["churn"].with_eta(eta)
    made = solve(sampler, GAUSSIAN.denoise, unit[steps] * 80, path, lambda step, slot=0: unit[step])

    def model(x: Tensor, sigma: Tensor) -> Tensor:
        return GAUSSIAN.denoise(x, Level(1.0, sigma[0].item()))

    drawn = iter(unit)  # it draws in every step, whether or not it adds what it drew
    monkeypatch.setattr(torch, "randn_like", lambda x: next(drawn))
    sigmas = torch.tensor([level.sigma for level in path], dtype=torch.float64)
    kept = {"s_churn": 20.0 * eta, "s_tmin": 0.05, "s_tmax": 50.0}
    close(made, k.sample_heun(model, unit[steps] * 80, sigmas, disable=True, **kept))
    heard = made.abs().flatten() > 0
    inside = torch.tensor([0.05 <= level.sigma <= 50 for level in path[:-1]])
    assert torch.equal(heard[:-1], inside if eta else torch.zeros_like(inside))


@pytest.mark.parametrize("steps", [2, 5, 20])
@pytest.mark.parametrize(
    ("name", "more"), [("karras", {}), ("exponential", {}), ("polyexponential", {"rho": 1.5})]
)
def test_ramps(k: Any, name: str, more: dict[str, float], steps: int) -> None:
    """Theirs are made of float32 ramps."""
    table = Table((Level(1.0, 0.03), Level(1.0, 14.6)) * 20, path="ve")
    expected = getattr(k, f"get_sigmas_{name}")(steps, 0.03, 14.6, **more).double()
    found = torch.tensor([level.sigma for level in SCHEDULES[name](table, steps)], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


def step_of(path: list[Level], sigma: float) -> int:
    return next(i for i, level in enumerate(path) if math.isclose(level.sigma, sigma, rel_tol=1e-9))
