"""Multistep rules are exact for the polynomials they claim, whatever the spacing; and the two that the field
has wrong are shown for what they are."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from schedulers import SAMPLERS, Level, solve
from schedulers.level import on_path
from schedulers.samplers.weights import exponential, in_log_sigma, in_sigma

# Uneven steps in lambda: 1.0, 0.7, 1.6, 0.9.
LAMBDAS = (-2.0, -1.0, -0.3, 1.3, 2.2)
LEVELS = [on_path("vp", math.exp(-value)) for value in LAMBDAS]


def integral(f: Callable[[float], float], low: float, high: float) -> float:
    from scipy.integrate import quad

    return quad(f, low, high, epsabs=1e-13, epsrel=1e-13)[0]


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_exponential_weights_integrate_polynomials_in_lambda(degree: int, eta: float) -> None:
    past, a, b = LEVELS[3::-1], LEVELS[3], LEVELS[4]
    made = sum(w * p.log_snr**degree for w, p in zip(exponential(past, a, b, eta), past, strict=True))
    rate = 1 + eta
    mass = integral(lambda at: math.exp(rate * at), a.log_snr, b.log_snr)
    exact = integral(lambda at: math.exp(rate * at) * at**degree, a.log_snr, b.log_snr) / mass
    assert made == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_sigma_weights_integrate_polynomials_in_sigma(degree: int) -> None:
    past, a, b = LEVELS[3::-1], LEVELS[3], LEVELS[4]
    made = sum(w * p.ve_sigma**degree for w, p in zip(in_sigma(past, a, b), past, strict=True))
    low, high = a.ve_sigma, b.ve_sigma
    exact = (high ** (degree + 1) - low ** (degree + 1)) / (degree + 1) / (high - low)
    assert made == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_log_sigma_weights_integrate_polynomials_in_log_sigma(degree: int) -> None:
    past, a, b = LEVELS[3::-1], LEVELS[3], LEVELS[4]
    made = sum(w * p.log_snr**degree for w, p in zip(in_log_sigma(past, a, b), past, strict=True))
    exact = integral(lambda s: (-math.log(s)) ** degree, a.ve_sigma, b.ve_sigma) / (b.ve_sigma - a.ve_sigma)
    assert made == pytest.approx(exact, rel=1e-10)


def last_step(name: str, degree: int) -> tuple[float, float]:
    """What the sampler's last step adds on a network that says x0 = lambda^degree, and what is exact."""

    def network(x: Tensor, level: Level) -> Tensor:
        return torch.full_like(x, level.log_snr**degree)

    def run(count: int) -> float:
        x = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
        return solve(name, network, x, LEVELS[: count + 1], lambda step, slot=0: x).item()

    a, b = LEVELS[3], LEVELS[4]
    exact = integral(lambda at: math.exp(at - b.log_snr) * at**degree, a.log_snr, b.log_snr) * b.alpha
    return run(4) - b.sigma / a.sigma * run(3), exact


@pytest.mark.parametrize(("name", "degree"), [("res-2m", 1), ("res-3m", 2)])
def test_a_sampler_is_exact_for_its_polynomials_and_no_further(name: str, degree: int) -> None:
    made, exact = last_step(name, degree)
    assert made == pytest.approx(exact, rel=1e-11)
    made, exact = last_step(name, degree + 1)
    assert made != pytest.approx(exact, rel=1e-3)


def test_the_common_3m_has_half_of_the_quadratic_term() -> None:
    """Its last step on x0 = lambda^2 lies half-way between the rule of order 2 and the exact one."""
    (common, exact), (linear, _) = last_step("dpmpp-3m", 2), last_step("res-2m", 2)
    bend = second_difference_term()
    assert exact - common == pytest.approx(bend / 2, rel=1e-9)
    assert abs(linear - exact) > abs(common - exact)


def second_difference_term() -> float:
    """The part of the exact integral of x0 = lambda^2 that is u^2's, u = (lambda - lambda_a) / h."""
    a, b = LEVELS[3], LEVELS[4]
    h = b.log_snr - a.log_snr
    return b.alpha * integral(lambda u: h * math.exp(h * (u - 1)) * (h * u) ** 2, 0, 1)


@pytest.mark.parametrize(("name", "degree"), [("deis-2", 1), ("deis-3", 2), ("lms", 3), ("ipndm-v", 3)])
def test_adams_samplers_are_exact_for_their_polynomials(name: str, degree: int) -> None:
    """The noise is a polynomial in (log) sigma; d(x / alpha) = e d sigma is then integrated exactly."""
    log = name.startswith("deis")

    def noise_at(level: Level) -> float:
        return (level.log_snr if log else level.ve_sigma) ** degree

    def network(x: Tensor, level: Level) -> Tensor:
        return (x - level.sigma * noise_at(level)) / level.alpha

    def run(count: int) -> float:
        x = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
        return solve(name, network, x, LEVELS[: count + 1], lambda step, slot=0: x).item()

    a, b = LEVELS[3], LEVELS[4]
    exact = integral(lambda s: (-math.log(s) if log else s) ** degree, a.ve_sigma, b.ve_sigma)
    made = run(4) / b.alpha - run(3) / a.alpha
    assert made == pytest.approx(exact, rel=1e-9)


def test_every_sampler_is_exact_where_x0_is_known() -> None:
    """A constant x0 is degree 0: whatever the sampler, without noise it lands on it."""
    x = torch.full((1, 1, 1, 1), 0.7, dtype=torch.float64)
    levels = [Level(0.0, 1.0), *LEVELS, Level(1.0, 0.0)]
    for name, sampler in SAMPLERS.items():
        found = solve(sampler, lambda x, level: torch.full_like(x, 0.3), x, levels,
                      lambda step, slot=0: torch.ones_like(x))  # fmt: skip
        assert found.item() == pytest.approx(0.3, abs=1e-12), name
