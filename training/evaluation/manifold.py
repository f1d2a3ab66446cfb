"""Are drawn samples among the real ones, and the real ones among the drawn? Features are (n, d) float64."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from training.evaluation.intervals import Array, Estimate, share

NEIGHBOURS = 5  # k: 2002.09797 finds 5 good for sets of this size; 1904.06991 takes 3


@dataclass(frozen=True)
class Manifold:
    """Precision and density tell of fidelity, recall and coverage of diversity; 1 is best (density may pass
    it)."""

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate


def manifold(drawn: Array, real: Array, seed: int, k: int = NEIGHBOURS) -> Manifold:
    """Improved precision and recall (1904.06991, eqs. 1-3) and density and coverage (2002.09797, eqs. 3-4).

    A sample's ball reaches to its k-th nearest neighbour of its own set. The intervals take the balls as
    given and resample what is counted.
    """
    if min(len(drawn), len(real)) <= k:
        raise ValueError(f"Samples: got {min(len(drawn), len(real))}; allowed: more than {k}.")
    across = cdist(drawn, real)  # (drawn, real)
    real_reach, drawn_reach = _reach(real, k), _reach(drawn, k)
    inside = across <= real_reach[None, :]
    return Manifold(
        precision=share(np.asarray(inside.any(1), np.float64), seed),
        recall=share(np.asarray((across <= drawn_reach[:, None]).any(0), np.float64), seed),
        density=share(np.asarray(inside.sum(1) / k), seed),
        coverage=share(np.asarray(across.min(0) <= real_reach, np.float64), seed),
    )


def _reach(x: Array, k: int) -> Array:
    """(n,) distance to the k-th nearest other sample."""
    return np.partition(cdist(x, x), k, axis=1)[:, k]
