"""Samplers that no other package offers as a function, against their papers' formulas written out here."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from schedulers import SAMPLERS, Level, solve
from schedulers.level import Path, on_path
from tests.schedulers.exact import PAIR, karras, levels_between, uniform

SHAPE = (2, 1, 3, 4)
DRAWS = torch.randn(40, 3, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
START = torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


class Watched:
    """The exact denoiser, which remembers at which VE sigmas it was asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        self.asked.append(level.ve_sigma)
        return PAIR.denoise(x, level)


def test_churn_adds_noise_in_the_step_to_none_and_never_above_the_first_level() -> None:
    path = [*levels_between(uniform, 10.0, 0.1, 20), Level(1.0, 0.0)]
    network, drawn = Watched(), []

    def noise(step: int, slot: int = 0) -> Tensor:
        drawn.append(step)
        return DRAWS[step, slot]

    solve("churn", network, START * path[0].sigma, path, noise)
    assert drawn == list(range(1, 21))
    assert max(network.asked) == pytest.approx(10.0)  # the second step would go up from 7.9 to 11.2
    assert network.asked[-1] == pytest.approx(0.1 * math.sqrt(2))


def heun(x: Tensor, sigmas: list[float], network: Watched) -> Tensor:
    for s, t in pairwise(sigmas):
        d = (x - network(x, Level(1.0, s))) / s
        new = x + (t - s) * d
        if t > 0:
            new = x + (t - s) * (d + (new - network(new, Level(1.0, t))) / t) / 2
        x = new
    return x


def test_restart_is_its_algorithm() -> None:
    """arXiv:2306.14878, algorithm 1: at t_min, K times noise of variance t_max^2 - t_min^2 and the ODE down
    again. One interval, its ends the first levels at or below 2 and 0.1, K = 2."""
    path = levels_between(karras, 10.0, 0.05, 14, "ve") + [Level(1.0, 0.0)]
    sigmas = [level.sigma for level in path]
    high = next(i for i, s in enumerate(sigmas) if s <= 2.0)
    low = next(i for i, s in enumerate(sigmas) if s <= 0.1)
    assert 0 < high < low < len(sigmas) - 2
    theirs, ours = Watched(), Watched()
    x = heun(START * 10, sigmas[: low + 1], theirs)
    for k in range(2):
        x = x + math.sqrt(sigmas[high] ** 2 - sigmas[low] ** 2) * DRAWS[0, k]
        x = heun(x, sigmas[high : low + 1], theirs)
    x = heun(x, sigmas[low:], theirs)

    drawn = []

    def noise(step: int, slot: int = 0) -> Tensor:
        drawn.append((step, slot))
        return DRAWS[step, slot]

    close(solve("restart", ours, START * 10, path, noise), x)
    assert ours.asked == theirs.asked  # each level as often, in the same order
    assert len(ours.asked) == 2 * (len(path) - 2) + 1 + 2 * 2 * (low - high)
    assert len(set(drawn)) == len(drawn) == 2


@pytest.mark.parametrize("eta", [0.0, 0.25, 0.75, 1.0])
def test_each_stage_of_seeds_3_is_the_sde_solved_through_its_estimates(eta: float) -> None:
    """arXiv:2305.14267, algorithm 3, its noise scaled: y = x / alpha goes by dy = (1 + eta) (x0 - y) d lambda
    in the mean, x0 constant to 1/3 of the step, then straight in lambda through the first estimate and the
    newest; its noise is that of an Ornstein-Uhlenbeck process, e^{-(1 + eta) h} of which stays over h."""
    from scipy.integrate import quad

    a, b = on_path("vp", 2.0), on_path("vp", 0.7)
    h, rate = b.log_snr - a.log_snr, 1 + eta
    places, estimates = (0.0, h / 3, 2 * h / 3, h), [0.3, -0.8, 1.7]
    y, seen = 1.1, list[float]()

    def network(x: Tensor, level: Level) -> Tensor:
        seen.append(x.item() / level.alpha)
        return torch.full_like(x, estimates[len(seen) - 1])

    def expected(end: float, slope: float) -> float:
        gained = quad(lambda u: rate * math.exp(rate * (u - end)) * (estimates[0] + slope * u), 0, end)[0]
        noise, sigma = 0.0, 2.0  # VE sigma falls as e^{-lambda}
        for k, at in enumerate(places[1:]):
            if at <= end:
                wide = sigma * math.exp(-at) * math.sqrt(1 - math.exp(-2 * eta * h / 3))
                noise += wide * math.exp(-rate * (end - at)) * DRAWS[0, k, 0, 0, 0, 0].item()
        return math.exp(-rate * end) * y + gained + noise

    x = torch.full((1, 1, 1, 1), y * a.alpha, dtype=torch.float64)
    made = solve(SAMPLERS["seeds-3"].with_eta(eta), network, x, [a, b],
                 lambda step, slot=0: DRAWS[step, slot, :1, :, :1, :1])  # fmt: skip
    ends = [*seen[1:], made.item() / b.alpha]
    slopes = (
        0.0,
        *((later - estimates[0]) / at for later, at in zip(estimates[1:], places[1:], strict=False)),
    )
    for found, end, slope in zip(ends, places[1:], slopes, strict=True):
        assert found == pytest.approx(expected(end, slope), abs=1e-9)


def test_er_sde_is_its_formula() -> None:
    """arXiv:2309.06169, algorithm 3 (VE), its integrals by adaptive quadrature:

    x_t = phi_t / phi_s x_s + (1 - phi_t / phi_s) x0 + (t - s + phi_t I_0) D + ((t - s)^2 / 2 + phi_t I_1) D2
    + sqrt(t^2 - s^2 (phi_t / phi_s)^2) z; I_0 = int_t^s 1 / phi, I_1 = int_t^s (r - s) / phi.
    """
    from scipy.integrate import quad

    def phi(s: float) -> float:
        return s * (math.exp(s**0.3) + 10)

    sigmas = [karras(10.0, 0.1, i / 9) for i in range(10)]
    x, seen = START * 10, list[Tensor]()
    slopes: list[Tensor] = []
    for i, (s, t) in enumerate(pairwise(sigmas)):
        seen.append(PAIR.denoise(x, Level(1.0, s)))
        r = phi(t) / phi(s)
        new = r * x + (1 - r) * seen[-1]
        if i > 0:
            slopes.append((seen[-1] - seen[-2]) / (s - sigmas[i - 1]))
            area = quad(lambda at: 1 / phi(at), t, s, epsabs=1e-14, epsrel=1e-13)[0]
            new = new + (t - s + phi(t) * area) * slopes[-1]
        if i > 1:
            bend = (slopes[-1] - slopes[-2]) / ((s - sigmas[i - 2]) / 2)
            area = quad(lambda at, s=s: (at - s) / phi(at), t, s, epsabs=1e-14, epsrel=1e-13)[0]
            new = new + ((t - s) ** 2 / 2 + phi(t) * area) * bend
        x = new + math.sqrt(t**2 - s**2 * r**2) * DRAWS[i, 0]
    path = [Level(1.0, s) for s in sigmas]
    close(solve("er-sde", PAIR.denoise, START * 10, path, lambda step, slot=0: DRAWS[step, slot]), x)


@pytest.mark.parametrize("path", ["vp", "ve", "flow"])
def test_euler_maruyama_is_the_textbooks_step(path: Path) -> None:
    """arXiv:2011.13456, eq. 6: back along the VE SDE, whose g^2 is 2 sigma^2 in ln sigma, a step of h adds
    g^2 h score + g sqrt(h) z to y."""
    sigmas = [4.0, 2.5, 1.0, 0.7]
    y = START * sigmas[0]
    for step, (s, t) in enumerate(pairwise(sigmas)):
        h = math.log(s / t)
        score = (PAIR.denoise(y, Level(1.0, s)) - y) / s**2
        y = y + 2 * s**2 * score * h + math.sqrt(2 * h) * s * DRAWS[step, 0]
    levels = [on_path(path, s) for s in sigmas]
    x = START * sigmas[0] * levels[0].alpha
    made = solve("euler-maruyama", PAIR.denoise, x, levels, lambda step, slot=0: DRAWS[step, slot])
    close(made / levels[-1].alpha, y)


@pytest.mark.parametrize("path", ["vp", "ve"])
def test_a_langevin_step_has_the_papers_length_for_each_image(path: Path) -> None:
    """arXiv:2011.13456, algorithm 4: epsilon = 2 (r |z| / |g|)^2, r = 0.16; x <- x + epsilon g + sqrt(2
    epsilon) z, on the VE SDE; the predictor is its algorithm 2's."""
    s, t = 2.0, 1.4
    a, b = (on_path(path, sigma) for sigma in (s, t))
    scale = torch.tensor([1.0, 3.0], dtype=torch.float64).reshape(2, 1, 1, 1)  # images of unlike norms
    y = START * s * scale
    score = (PAIR.denoise(y, Level(1.0, s)) - y) / s**2
    y = y + (s**2 - t**2) * score + math.sqrt(s**2 - t**2) * DRAWS[0, 0]
    score, z = (PAIR.denoise(y, Level(1.0, t)) - y) / t**2, DRAWS[0, 1]
    rows = []
    for k in range(2):
        length = 2 * (0.16 * z[k].norm() / score[k].norm()) ** 2
        rows.append(y[k] + length * score[k] + torch.sqrt(2 * length) * z[k])
    made = solve("predictor-corrector", PAIR.denoise, START * s * scale * a.alpha, [a, b],
                 lambda step, slot=0: DRAWS[step, slot])  # fmt: skip
    close(made / b.alpha, torch.stack(rows))
