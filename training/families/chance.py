"""The lab's random numbers: row k's are a pure function of row k's seed and of what they are for.

So a batch that is split over processes, or in parts, is the batch that was not. Knows no networks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Chance:
    """Draws by Philox (Salmon et al. 2011), keyed by (seed, slot); two draws of one row use two slots."""

    seeds: tuple[int, ...]
    device: torch.device = torch.device("cpu")

    @classmethod
    def of(cls, seed: Tensor, x: Tensor) -> Self:
        """For the rows of x (B, ...): seed (B,) int64, or () from which theirs follow."""
        if seed.ndim == 0:
            source = np.random.Generator(np.random.Philox(key=[int(seed), 2**63]))
            return cls(tuple(source.integers(2**62, size=len(x)).tolist()), x.device)
        return cls(tuple(seed.tolist()), x.device)

    @classmethod
    def drawing(cls, label: Tensor, seed: int) -> Self:
        """For a batch of pictures: the k-th has seed + k."""
        return cls(tuple(range(seed, seed + len(label))), label.device)

    def normal(self, slot: int, *shape: int) -> Tensor:
        """(B, *shape) float32, standard normal."""
        return self._stack(g.standard_normal(shape, dtype=np.float32) for g in self._sources(slot))

    def uniform(self, slot: int, *shape: int) -> Tensor:
        """(B, *shape) float32 in [0, 1)."""
        return self._stack(g.random(shape, dtype=np.float32) for g in self._sources(slot))

    def integers(self, slot: int, below: int) -> Tensor:
        """(B,) int64 in [0, below)."""
        return torch.tensor([int(g.integers(below)) for g in self._sources(slot)], device=self.device)

    def _sources(self, slot: int) -> Iterable[np.random.Generator]:
        return (np.random.Generator(np.random.Philox(key=[seed, slot])) for seed in self.seeds)

    def _stack(self, rows: Iterable[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack([np.asarray(row) for row in rows])).to(self.device)


def walk(a: Tensor, b: Tensor, frames: int) -> Sequence[Tensor]:
    """``frames`` points from a to b, both normal noise, on the great circle between them: normal as well."""
    turns = [torch.pi / 2 * k / max(frames - 1, 1) for k in range(frames)]
    return [np.cos(turn) * a + np.sin(turn) * b for turn in turns]
