"""LMS. Knows no networks."""

from collections.abc import Sequence

from torch import Tensor

from schedulers.ask import Sampling
from schedulers.level import Level
from schedulers.noise import Noise
from schedulers.samplers.multistep import adams
from schedulers.samplers.weights import in_sigma

ORDER = 4


def lms(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """Linear multistep: the noise as a cubic in sigma, integrated exactly (Katherine Crowson's k-diffusion).

    The first step is Euler's, whose error of second order is what remains at very many steps.
    """
    return adams(x, levels, ORDER, in_sigma)
