"""Where noise comes from: a pure function of an image's seed, the step and the slot.

The first noise of an image is what a diffusers script draws from the same seed. Later noise comes from
another, counter-based generator, so it is independent of the first, of the other images in the batch,
and can be made again for any step alone. Knows no samplers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Noise(Protocol):
    """Fresh standard-normal noise like x (B, C, h, w). Two draws in one step use two slots."""

    def __call__(self, step: int, slot: int = 0) -> Tensor: ...


def first_noise(seeds: Sequence[int], shape: tuple[int, int, int]) -> Tensor:
    """(B, C, h, w) float32 on the CPU; row k is ``torch.randn(shape)`` from a generator seeded seeds[k]."""
    return torch.stack([torch.randn(shape, generator=torch.Generator("cpu").manual_seed(s)) for s in seeds])


@dataclass(frozen=True)
class SeededNoise:
    """Philox noise (Salmon et al. 2011) keyed by (seed, step, slot), one key an image; float32 on the CPU
    and then moved, so that a seed means the same picture on every device."""

    seeds: tuple[int, ...]
    shape: tuple[int, int, int]  # (C, h, w)
    device: torch.device = torch.device("cpu")

    def __call__(self, step: int, slot: int = 0) -> Tensor:
        rows = [self._row(seed, step, slot) for seed in self.seeds]
        return torch.from_numpy(np.stack(rows)).to(self.device)  # (B, C, h, w)

    def _row(self, seed: int, step: int, slot: int) -> np.ndarray:
        key = np.array([seed, (step << 32) | slot], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key)).standard_normal(self.shape, dtype=np.float32)
