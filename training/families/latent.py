"""Latent diffusion: the same, in the codes of a trained VAE instead of pixels (arXiv:2112.10752)."""

import torch
from torch import Tensor

from training.families import rectified_flow
from training.families.chance import Chance
from training.families.diffusion import Diffusion, evenly
from training.families.family import Family, Learner, Reconstruction, Shape
from training.families.vae import VAE

MEMORY = 0.99  # of the codes' mean and square, at each step


class Latent(Learner, Reconstruction):
    """A rectified flow over codes that are brought to mean 0 and deviation 1."""

    def __init__(self, shape: Shape, coder: VAE) -> None:
        super().__init__()
        self.coder = coder.requires_grad_(False)
        channels, side, _ = coder.code
        self.flow = Diffusion(Shape(channels, side, shape.classes), rectified_flow.design())
        self.register_buffer("mean", torch.zeros(channels, side, side))
        self.register_buffer("square", torch.ones(channels, side, side))
        self.mean: Tensor
        self.square: Tensor

    def forward(self, x: Tensor, label: Tensor, seed: Tensor) -> dict[str, Tensor]:
        """The flow's loss on codes drawn from the encoder (arXiv:2112.10752, eq. 2)."""
        with torch.no_grad():
            mean, log_variance = self.coder.encode(x)
            codes = mean + (log_variance / 2).exp() * Chance.of(seed, x).normal(9, *self.coder.code)
            if self.training:
                self.mean.lerp_(codes.mean(0), 1 - MEMORY)
                self.square.lerp_(codes.square().mean(0), 1 - MEMORY)
        return self.flow((codes - self.mean) / self._deviation, label, seed)

    @property
    def _deviation(self) -> Tensor:
        return (self.square - self.mean.square()).clamp_min(1e-4).sqrt()

    def decode(self, codes: Tensor) -> Tensor:
        return self.coder.decode(codes * self._deviation + self.mean).clamp(-1, 1)

    @torch.no_grad()
    def draw(self, label: Tensor, seed: int) -> Tensor:
        return self.decode(self.codes(label, seed)[-1])

    def codes(self, label: Tensor, seed: int) -> list[Tensor]:
        """The estimates of the code on the way, and at last the code."""
        d = self.flow.design
        last, seen = self.flow.solve(label, seed, d.sampler, d.schedule, d.steps, d.guidance, clamp=False)
        return [*seen, last]

    @property
    def evaluations(self) -> int:
        return self.flow.evaluations

    @torch.no_grad()
    def strip(self, label: Tensor, seed: int, frames: int) -> Tensor:
        codes = self.codes(label, seed)
        return torch.stack([self.decode(codes[k]) for k in evenly(len(codes), frames)])

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.coder.reconstruct(x)


def latent(shape: Shape, teacher: Learner | None) -> Learner:
    assert isinstance(teacher, VAE)
    return Latent(shape, teacher)


FAMILY = Family(
    "Latent diffusion", "diffusion", "arXiv:2112.10752, eq. 2",
    "The diffusion happens among the codes of the VAE, which are several times smaller than pictures; the "
    "decoder makes pictures of them. Stable Diffusion works like this: cheap steps, as sharp as the decoder.",
    latent, needs="vae", plan={"learning_rate": 2e-3},
)  # fmt: skip
