"""A variational autoencoder: a code of few numbers, and pictures from it (arXiv:1312.6114)."""

import math

import torch
from torch import Tensor, nn

from training.families.chance import Chance, walk
from training.families.family import Family, Learner, Likelihood, Reconstruction, Shape
from training.families.networks import Down, Up, bits, dequantised, halvings

WIDTH = 48
CODE = 4  # channels of a code
SHRUNK = 4  # times fewer rows and columns than the picture has
BETA = 1.0  # weight of the divergence (beta-VAE, openreview Sy2fzU9gl); 1 is the bound itself


class VAE(Learner, Likelihood, Reconstruction):
    """Codes (B, CODE, side / 4, side / 4), normal; pictures normal about the decoder's answer with one learnt
    deviation (arXiv:2006.13202, sec. 3)."""

    def __init__(self, shape: Shape, beta: float = BETA) -> None:
        super().__init__()
        self.shape, self.beta = shape, beta
        times = halvings(shape.side, shape.side // SHRUNK)
        self.code = (CODE, shape.side // SHRUNK, shape.side // SHRUNK)
        self.down = nn.Sequential(
            Down(shape.channels, WIDTH, times),
            nn.Flatten(),
            nn.Linear(WIDTH * self.code[1] ** 2, 2 * math.prod(self.code)),
        )
        self.up = nn.Sequential(
            nn.Linear(math.prod(self.code), WIDTH * self.code[1] ** 2),
            nn.Unflatten(1, (WIDTH, *self.code[1:])), Up(WIDTH, shape.channels, times),
        )  # fmt: skip
        self.log_deviation = nn.Parameter(torch.tensor(-1.0))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(mean, log variance) of the codes of x (B, C, H, W)."""
        mean, log_variance = self.down(x).float().chunk(2, 1)
        return mean.unflatten(1, self.code), log_variance.clamp(-12, 4).unflatten(1, self.code)

    def decode(self, code: Tensor) -> Tensor:
        """(B, C, H, W), not clamped."""
        return self.up(code.flatten(1)).float()

    def bound(self, x: Tensor, chance: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor]:
        """(beta-ELBO (B,) in nats, log p(x | code), divergence) with one code a picture (eq. 10)."""
        mean, log_variance = self.encode(x)
        picture = self.decode(mean + (log_variance / 2).exp() * chance)
        scaled = (x - picture) * (-self.log_deviation).exp()
        there = -(0.5 * scaled.square() + self.log_deviation + 0.5 * math.log(2 * math.pi)).sum((1, 2, 3))
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum((1, 2, 3))
        return there - beta * divergence, there, divergence

    def forward(self, x: Tensor, label: Tensor, seed: Tensor) -> dict[str, Tensor]:
        """-ELBO a pixel, the divergence weighted by beta (arXiv:1312.6114, eq. 10)."""
        chance = Chance.of(seed, x)
        bound, there, divergence = self.bound(
            dequantised(x, chance.uniform(0, *x.shape[1:])), chance.normal(1, *self.code), self.beta
        )
        size = x[0].numel()
        parts = {"reconstruction": -there.mean() / size, "divergence": divergence.mean() / size}
        return {"loss": -bound.mean() / size, **parts}

    @torch.no_grad()
    def draw(self, label: Tensor, seed: int) -> Tensor:
        return self.decode(Chance.drawing(label, seed).normal(0, *self.code)).clamp(-1, 1)

    @property
    def evaluations(self) -> int:
        return 1

    @torch.no_grad()
    def strip(self, label: Tensor, seed: int, frames: int) -> Tensor:
        chance = Chance.drawing(label, seed)
        codes = walk(chance.normal(0, *self.code), chance.normal(1, *self.code), frames)
        return torch.stack([self.decode(code).clamp(-1, 1) for code in codes])

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x)[0]).clamp(-1, 1)

    @torch.no_grad()
    def bits_per_dimension(self, x: Tensor, seed: int) -> Tensor:
        """The bound's, so no fewer than the model's own."""
        chance = Chance.of(torch.tensor(seed), x)
        data = dequantised(x, chance.uniform(0, *x.shape[1:]))
        return bits(self.bound(data, chance.normal(1, *self.code), 1.0)[0], x)


def vae(shape: Shape, teacher: Learner | None) -> Learner:
    return VAE(shape)


FAMILY = Family(
    "VAE", "autoencoder", "arXiv:1312.6114, eq. 10",
    "An encoder writes a picture as a few numbers, a decoder reads them back, and the numbers are kept close "
    "to plain noise, so that noise can be decoded too. What the code cannot hold comes out blurred.",
    vae, plan={"learning_rate": 2e-3, "precision": "no"},
)  # fmt: skip
