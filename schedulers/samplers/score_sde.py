"""The samplers of the score SDE paper, on x / alpha (its VE SDE). Know no networks."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, finite
from schedulers.noise import Noise
from schedulers.samplers.sde import diffuse

SNR = 0.16  # the signal-to-noise ratio r of a Langevin step


def euler_maruyama(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """Euler-Maruyama on the reverse SDE in log sigma: g^2 dt = 2 sigma^2 h (arXiv:2011.13456, eq. 6).

    A step that is not finite in log sigma is taken exactly instead.
    """
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        if not finite(a, b):
            x = diffuse(x, x0, (a, b), 1.0, noise, step)
            continue
        h = b.log_snr - a.log_snr
        y = x / a.alpha
        x = b.alpha * (y + 2 * h * (x0 - y) + a.ve_sigma * math.sqrt(2 * h) * noise(step))
    return x


def reverse_diffusion(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """Reverse diffusion (arXiv:2011.13456, eq. 46, algorithm 2's predictor): the forward step reversed."""
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        x = _reversed(x, x0, a, b, noise, step)
    return x


def predictor_corrector(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """Reverse diffusion, each step followed by one of Langevin's (arXiv:2011.13456, algorithms 2 and 4).

    The Langevin step's length follows the norms of each image's own score and noise, where the paper's code
    takes the mean over the batch.
    """
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        x = _reversed(x, x0, a, b, noise, step)
        if finite(a, b):
            x0 = yield Ask(x, b)
            y, z = x / b.alpha, noise(step, 1)
            score = (x0 - y) / b.ve_sigma**2
            over = (1, 2, 3)
            size = z.square().sum(over, keepdim=True) / score.square().sum(over, keepdim=True)
            length = 2 * SNR**2 * size  # (B, 1, 1, 1)
            x = b.alpha * (y + length * score + (2 * length).sqrt() * z)
    return x


def _reversed(x: Tensor, x0: Tensor, a: Level, b: Level, noise: Noise, step: int) -> Tensor:
    if not finite(a, b):
        return diffuse(x, x0, (a, b), 1.0, noise, step)
    y, gone = x / a.alpha, a.ve_sigma**2 - b.ve_sigma**2
    return b.alpha * (y + gone / a.ve_sigma**2 * (x0 - y) + math.sqrt(gone) * noise(step))
