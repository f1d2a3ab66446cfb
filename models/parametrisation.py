"""What a network's output means: one estimate of x0 per row, and the timestep it wants to be told.

Knows levels and the training table; knows no samplers and runs no network.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from schedulers.level import Level, Table

Prediction: TypeAlias = Literal["epsilon", "v_prediction", "sample", "flow"]
"""noise; v = alpha noise - sigma x0 (arXiv:2202.00512, app. D); x0; the velocity noise - x0."""


@dataclass(frozen=True)
class Parametrisation:
    """Levels given to it must lie on the table's own path (VP, flow ...)."""

    prediction: Prediction
    table: Table

    def x0(self, output: Tensor, x: Tensor, levels: Sequence[Level]) -> Tensor:
        """Estimate of x0 from the network's output; all (B, C, h, w), row i at ``levels[i]``."""
        alpha = torch.tensor([[[[level.alpha]]] for level in levels], dtype=x.dtype, device=x.device)
        sigma = torch.tensor([[[[level.sigma]]] for level in levels], dtype=x.dtype, device=x.device)
        match self.prediction:
            case "sample":
                return output
            case "v_prediction":
                return alpha * x - sigma * output
            case "flow":
                return x - sigma * output
            case "epsilon":
                return (x - sigma * output) / alpha

    def timestep(self, level: Level) -> float:
        """The table's index at this level: whole at its entries, linear in log-SNR between them.

        Between the last entry that has some signal and pure noise there is no line to follow: that is the
        former. A flow network is told 1000 sigma, its table being sigma = (index + 1) / 1000.
        """
        if self.prediction == "flow":
            return level.sigma * len(self.table.levels)
        depth = -level.log_snr
        above = bisect_left(self._depths, depth)
        if above == 0:
            return 0.0
        if above == len(self._depths):
            return float(above - 1)
        low, high = self._depths[above - 1], self._depths[above]
        if depth == high:
            return float(above)
        return above - 1 + (depth - low) / (high - low)  # x / inf is 0

    @cached_property
    def _depths(self) -> list[float]:
        return [-level.log_snr for level in self.table.levels]
