"""Small pictures to learn from: what every data set of the lab gives. Knows no networks."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Pictures:
    """A data set, split once. Pixels (N, C, side, side) uint8; labels (N,) int64 of ``classes``."""

    name: str
    classes: tuple[str, ...]
    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    sha256: str  # of all of it, for the run's record
