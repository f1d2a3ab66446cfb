"""Two models that learn nearly nothing, for the others to be better than: they need pictures, no loop."""

import math

import torch
from torch import Tensor

from training.data.pictures import Pictures
from training.families.family import Learner, Likelihood


class _Fitted(Learner):
    """Whatever is known after one look at the training pictures: nothing is left to learn."""

    def forward(self, x: Tensor, label: Tensor, seed: Tensor) -> dict[str, Tensor]:
        return {"loss": x.new_zeros(())}

    @property
    def evaluations(self) -> int:
        return 1

    def strip(self, label: Tensor, seed: int, frames: int) -> Tensor:
        """From one picture to another, as there are no steps."""
        a, b = self.draw(label, seed), self.draw(label, seed + 1)
        return torch.stack([torch.lerp(a, b, k / max(frames - 1, 1)) for k in range(frames)])


class Marginals(_Fitted, Likelihood):
    """Every value of every pixel drawn for itself, from those it had in the training pictures."""

    def __init__(self, train: Tensor) -> None:
        """``train`` (N, C, S, S) uint8."""
        super().__init__()
        self.train_pictures: Tensor
        self.register_buffer("train_pictures", train)

    def draw(self, label: Tensor, seed: int) -> Tensor:
        known = self.train_pictures
        generator = torch.Generator().manual_seed(seed)
        whose = torch.randint(len(known), (len(label), *known.shape[1:]), generator=generator)
        return known.gather(0, whose.to(known.device)).float() / 127.5 - 1

    def bits_per_dimension(self, x: Tensor, seed: int) -> Tensor:
        """Exact under each pixel's own histogram, to which one picture of every value is added."""
        known = self.train_pictures.flatten(1)  # (N, d)
        values = ((x + 1) * 127.5).round().long().clamp(0, 255).flatten(1)  # (B, d)
        counts = torch.stack([(known == row.to(known.dtype)[None]).sum(0) for row in values])  # (B, d)
        return -torch.log2((counts + 1) / (len(known) + 256)).mean(1)


class GaussianPixels(_Fitted):
    """The Gaussian with the training pixels' mean and full covariance."""

    def __init__(self, train: Tensor) -> None:
        """``train`` (N, C, S, S) uint8."""
        super().__init__()
        x = train.float() / 127.5 - 1
        self.mean: Tensor
        self.centred: Tensor
        self.register_buffer("mean", x.mean(0))
        self.register_buffer("centred", (x - x.mean(0)) / math.sqrt(len(x) - 1))

    def draw(self, label: Tensor, seed: int) -> Tensor:
        """x = mean + A^T z with A^T A the covariance, so that it need not be factored."""
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(len(label), len(self.centred), generator=generator).to(self.mean.device)
        return (self.mean + torch.tensordot(z, self.centred, 1)).clamp(-1, 1)


def baselines(pictures: Pictures) -> dict[str, Learner]:
    """Both, fitted, by the names they have in reports."""
    return {
        "Independent pixels": Marginals(pictures.train),
        "Gaussian of the pixels": GaussianPixels(pictures.train),
    }
