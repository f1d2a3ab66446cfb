"""Small pictures to learn from: what every data set of the lab gives. Knows no networks."""

from dataclasses import dataclass
from hashlib import sha256

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


def pictures(name: str, classes: tuple[str, ...], pixels: Tensor, labels: Tensor, test: int) -> Pictures:
    """The data set whose last ``test`` pictures are held out."""
    seen = sha256(pixels.numpy().tobytes())
    seen.update(labels.numpy().tobytes())
    train = len(pixels) - test
    return Pictures(
        name, classes, pixels[:train], labels[:train], pixels[train:], labels[train:], seen.hexdigest()
    )
