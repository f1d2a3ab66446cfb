"""Multistep rules are exact for the polynomials they claim, whatever the spacing; and the two that the field
has wrong are shown for what they are."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from schedulers import SAMPLERS, Level, solve
from schedulers.level import on_path, ratio
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


def last_step(name: str, degree: int, eta: float = 0.0) -> tuple[float, float]:
    """What the sampler's last step adds on a network that says x0 = lambda^degree, and what is exact."""

    def network(x: Tensor, level: Level) -> Tensor:
        return torch.full_like(x, level.log_snr**degree)

    def run(count: int) -> float:
        x = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
        sampler = SAMPLERS[name].with_eta(eta) if SAMPLERS[name].stochastic else name
        return solve(sampler, network, x, LEVELS[: count + 1], lambda step, slot=0: x).item()

    a, b = LEVELS[3], LEVELS[4]
    exact = b.alpha * mean_gained(lambda at: at**degree, a, b, eta)
    return run(4) - b.sigma / a.sigma * ratio(a, b) ** eta * run(3), exact


def mean_gained(x0: Callable[[float], float], a: Level, b: Level, eta: float) -> float:
    """The integral of dy = (1 + eta) (x0(lambda) - y) d lambda, y = x / alpha, from 0."""
    rate = 1 + eta
    return integral(lambda at: rate * math.exp(rate * (at - b.log_snr)) * x0(at), a.log_snr, b.log_snr)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_2m_sde_heun_is_exact_for_straight_lines(eta: float) -> None:
    made, exact = last_step("dpmpp-2m-sde-heun", 1, eta)
    assert made == pytest.approx(exact, rel=1e-11)
    made, exact = last_step("dpmpp-2m-sde-heun", 2, eta)
    assert made != pytest.approx(exact, rel=1e-3)


def half_slope(past: Sequence[Level], values: Sequence[float], b: Level, eta: float) -> float:
    """UniPC's predictor of two estimates: the slope with the constant 1/2."""
    r = (b.log_snr - past[0].log_snr) / (past[0].log_snr - past[1].log_snr)
    return (values[0] + r / 2 * (values[0] - values[1])) * (1 - ratio(past[0], b) ** (1 + eta))


def through_all(past: Sequence[Level], values: Sequence[float], b: Level, eta: float) -> float:
    """The polynomial through them, integrated."""
    line = np.polynomial.Polynomial.fit([p.log_snr for p in past], values, len(past) - 1)
    return mean_gained(line, past[0], b, eta)


@pytest.mark.parametrize(("name", "order", "eta"), [
    ("unipc-2", 2, 0.0), ("unipc-3", 3, 0.0), ("sa-solver", 3, 0.0), ("sa-solver", 3, 0.5),
    ("sa-solver", 3, 1.0),
])  # fmt: skip
def test_a_corrector_is_exact_one_degree_beyond_its_predictor(name: str, order: int, eta: float) -> None:
    """What is corrected shows in where the next predictor lands, less what that one adds: the polynomial
    through its estimates, integrated, or of two of UniPC's the slope with its constant."""
    levels = [*LEVELS, on_path("vp", math.exp(-2.9)), on_path("vp", math.exp(-4.1))]
    predictor = half_slope if name == "unipc-2" else through_all
    sampler = SAMPLERS[name].with_eta(eta) if SAMPLERS[name].stochastic else SAMPLERS[name]

    def gap(degree: int) -> float:
        """Between the last correction and what is exact."""
        landed: list[float] = []

        def network(x: Tensor, level: Level) -> Tensor:
            landed.append(x.item() / level.alpha)
            return torch.full_like(x, level.log_snr**degree)

        zero = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
        last = solve(sampler, network, zero, levels, lambda step, slot=0: zero).item() / levels[-1].alpha
        landed.append(last)

        def corrected(k: int) -> float:
            past = levels[k : k - order : -1]
            added = predictor(past, [p.log_snr**degree for p in past], levels[k + 1], eta)
            return (landed[k + 1] - added) / ratio(levels[k], levels[k + 1]) ** (1 + eta)

        kept = ratio(levels[4], levels[5]) ** (1 + eta)
        exact = mean_gained(lambda at: at**degree, levels[4], levels[5], eta)
        return corrected(5) - kept * corrected(4) - exact

    for degree in range(order + 1):
        assert abs(gap(degree)) < 1e-9, degree
    assert abs(gap(order + 1)) > 1e-3


def test_er_sde_is_exact_for_straight_lines_in_sigma() -> None:
    """Its mean is phi_b / phi_a y + phi_b times the integral of x0 phi' / phi^2. Its bend is the parabola's,
    but its slope is that between two estimates and not the one at the newest: no parabola is exact."""

    def phi(s: float) -> float:
        return s * (math.exp(s**0.3) + 10)

    def rise(s: float) -> float:
        return math.exp(s**0.3) * (1 + 0.3 * s**0.3) + 10

    def off(degree: int) -> float:
        def run(count: int) -> float:
            x = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
            network = lambda x, level: torch.full_like(x, level.ve_sigma**degree)  # noqa: E731
            made = solve("er-sde", network, x, LEVELS[: count + 1], lambda step, slot=0: x).item()
            return made / LEVELS[count].alpha

        s, t = LEVELS[3].ve_sigma, LEVELS[4].ve_sigma
        gained = phi(t) * integral(lambda at: at**degree * rise(at) / phi(at) ** 2, t, s)
        return run(4) - phi(t) / phi(s) * run(3) - gained

    assert abs(off(0)) < 1e-11 and abs(off(1)) < 1e-11
    assert abs(off(2)) > 1e-4


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
