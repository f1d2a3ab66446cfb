"""One step of the reverse SDE, and how noises of parts of a step make the noise of the whole."""

import math
from collections.abc import Sequence

from torch import Tensor

from schedulers.level import Level, move, ratio
from schedulers.noise import Noise


def drift(x: Tensor, d: Tensor, a: Level, b: Level, eta: float) -> Tensor:
    """The mean at ``b``: the linear SDE solved exactly for a constant x0 estimate ``d``.

    q = e^{-eta h} is the share of the old noise that stays (arXiv:2211.01095, eq. 18, with eta scaling the
    noise); eta 0 is ``move``.
    """
    if eta == 0:
        return move(x, d, a, b)
    return b.alpha * d + (b.sigma / a.sigma) * ratio(a, b) ** eta * (x - a.alpha * d)


def spread(a: Level, b: Level, eta: float) -> float:
    """The deviation of the noise that the step adds: sigma_b sqrt(1 - e^{-2 eta h})."""
    return b.sigma * math.sqrt(max(0.0, 1 - ratio(a, b) ** (2 * eta)))


def diffuse(x: Tensor, d: Tensor, stops: Sequence[Level], eta: float, noise: Noise, step: int) -> Tensor:
    """``drift`` from the first of ``stops`` to the last, and the noise that is added between them."""
    x = drift(x, d, stops[0], stops[-1], eta)
    if eta == 0 or stops[-1].sigma == 0:
        return x
    return x + compose(stops, eta, noise, step)


def compose(stops: Sequence[Level], eta: float, noise: Noise, step: int) -> Tensor:
    """The noise a step adds from ``stops[0]`` to ``stops[-1]``, made of one draw for each part of it.

    Part k is drawn from slot k, carried on to the end by the SDE itself, so that noises of the same step to
    different ends agree on what they share (SEEDS, arXiv:2305.14267, sec. 4).
    """
    end = stops[-1]
    made = spread(stops[0], stops[1], eta) * _carried(stops[1], end, eta) * noise(step, 0)
    for slot in range(1, len(stops) - 1):
        a, b = stops[slot], stops[slot + 1]
        made = made + spread(a, b, eta) * _carried(b, end, eta) * noise(step, slot)
    return made


def _carried(b: Level, end: Level, eta: float) -> float:
    """What is left at ``end`` of one unit of noise at ``b``."""
    return (end.sigma / b.sigma) * ratio(b, end) ** eta


def ancestral(a: Level, b: Level, eta: float) -> tuple[Level, float]:
    """(the level below b to go down to, the deviation of the noise to go up again): sigma_up = eta s_b
    sqrt(1 - s_b^2 / s_a^2) (k-diffusion's notation for arXiv:2006.11239, eq. 7)."""
    up = eta * math.sqrt(1 - ratio(a, b) ** 2)  # in units of b.sigma
    return Level(b.alpha, b.sigma * math.sqrt(1 - up**2)), b.sigma * up
