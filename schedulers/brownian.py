"""Noise that is the same at any number of steps: the increments of one Brownian path an image.

In the time 1 / sigma^2 (sigma in the VE convention) what the reverse SDE adds in two steps is what it adds
in the one step over both (its decay is sigma^2 there), so a path W gives every step its noise
(W(t_b) - W(t_a)) / sqrt(t_b - t_a). W is known at powers of two and found between them by halving, each value
a pure function of the seed and its place. Knows no samplers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from schedulers.level import Level

FIRST, LAST = -24, 40  # powers of two between which W is known: sigma from 4096 down to 1e-6
HALVINGS = 14  # of an octave; between their ends W is straight


@dataclass(frozen=True)
class BrownianNoise:
    """Standard normal noise for steps along ``levels``, each step's independent of the others'.

    Only for samplers that draw once a step and whose noise falls: steps to no noise are never asked for.
    """

    seeds: tuple[int, ...]
    shape: tuple[int, int, int]  # (C, h, w)
    levels: Sequence[Level]
    device: torch.device = torch.device("cpu")

    def __call__(self, step: int, slot: int = 0) -> Tensor:
        assert slot == 0, "a Brownian path has one increment a step"
        a, b = (_time(level) for level in self.levels[step : step + 2])
        rows = [self._gained(seed, a, b) / math.sqrt(b - a) for seed in self.seeds]
        return torch.from_numpy(np.stack(rows).astype(np.float32)).to(self.device)  # (B, C, h, w)

    def _gained(self, seed: int, a: float, b: float) -> np.ndarray:
        """W(b) - W(a)."""
        first, last = _octave(a), _octave(b)
        whole = [self._over(seed, k) for k in range(first, last)]  # each from its beginning to its end
        return sum(whole, self._within(seed, last, b)) - self._within(seed, first, a)

    def _within(self, seed: int, octave: int, time: float) -> np.ndarray:
        """W(time) - W(beginning of ``octave``), by Lévy's halving of its bridge."""
        start, end = _ends(octave)
        low, high = np.zeros(self.shape), self._over(seed, octave)
        place = 1
        for _ in range(HALVINGS):
            middle = (start + end) / 2
            bend = math.sqrt((end - start) / 4) * self._normal(seed, octave, place)
            if time < middle:
                end, high, place = middle, (low + high) / 2 + bend, 2 * place
            else:
                start, low, place = middle, (low + high) / 2 + bend, 2 * place + 1
        share = (time - start) / (end - start)
        return low + share * (high - low)

    def _over(self, seed: int, octave: int) -> np.ndarray:
        start, end = _ends(octave)
        return math.sqrt(end - start) * self._normal(seed, octave, 0)

    def _normal(self, seed: int, octave: int, place: int) -> np.ndarray:
        code = (1 << 63) | ((octave - FIRST) << 32) | place  # never a key of ``SeededNoise``
        key = np.array([seed, code], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key)).standard_normal(self.shape)


def _time(level: Level) -> float:
    assert level.sigma > 0, "no noise is added in a step to no noise"
    return (level.alpha / level.sigma) ** 2


def _octave(time: float) -> int:
    """Number k of the octave from 2^k to 2^(k + 1) that has ``time``; the first one begins at 0."""
    return min(max(math.floor(math.log2(time)), FIRST), LAST) if time > 0 else FIRST


def _ends(octave: int) -> tuple[float, float]:
    return (0.0 if octave == FIRST else 2.0**octave), 2.0 ** (octave + 1)
