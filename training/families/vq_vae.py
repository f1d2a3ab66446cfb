"""VQ-VAE: a picture as a few words of a learnt vocabulary (arXiv:1711.00937)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.families.chance import Chance
from training.families.family import Family, Learner, Reconstruction, Shape
from training.families.networks import Down, Up, halvings

WIDTH = 48
WORDS, LENGTH = 64, 8  # of the vocabulary, and numbers in each
COMMITMENT = 0.25  # beta of eq. 3
REMEMBERED = 0.99  # of the counts of words, at each step


def places(side: int) -> int:
    """Rows of words in a picture: 4 of 8 pixels, 8 of 32."""
    return 4 if side <= 16 else side // 4


class VQVAE(Learner, Reconstruction):
    """Words (B, n, n) int64. Words are compared by direction alone, which keeps all of them in use
    (arXiv:2110.04627, sec. 3.2)."""

    def __init__(self, shape: Shape, words: int = WORDS) -> None:
        super().__init__()
        self.shape, self.words, self.rows = shape, words, places(shape.side)
        times = halvings(shape.side, self.rows)
        self.down = nn.Sequential(Down(shape.channels, WIDTH, times), nn.Conv2d(WIDTH, LENGTH, 1))
        self.up = nn.Sequential(nn.Conv2d(LENGTH, WIDTH, 1), Up(WIDTH, shape.channels, times))
        self.book = nn.Parameter(torch.randn(words, LENGTH))
        self.register_buffer("counts", torch.full((shape.classes, self.rows**2, words), 1e-3))
        self.counts: Tensor  # of each word at each place, for each class: what is drawn from

    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(what the encoder says (B, LENGTH, n, n) of length 1, the nearest words (B, n, n))."""
        said = functional.normalize(self.down(x).float(), dim=1)
        near = torch.einsum("bdhw,kd->bkhw", said, functional.normalize(self.book, dim=1))
        return said, near.argmax(1)

    def write(self, words: Tensor) -> Tensor:
        """Pictures (B, C, H, W) of words (B, n, n), not clamped."""
        return self.up(self.vectors(words)).float()

    def vectors(self, words: Tensor) -> Tensor:
        """(B, LENGTH, n, n) of length 1."""
        return functional.normalize(self.book, dim=1)[words].permute(0, 3, 1, 2)

    def forward(self, x: Tensor, label: Tensor, seed: Tensor) -> dict[str, Tensor]:
        """|x - decoded|^2 + |sg[said] - word|^2 + beta |said - sg[word]|^2 (eq. 3), gradients going straight
        through the choice of words (sec. 3.2)."""
        said, words = self.read(x)
        vectors = self.vectors(words)
        straight = said + (vectors - said).detach()
        reconstruction = (self.up(straight).float() - x).square().mean()
        learnt = (said.detach() - vectors).square().sum(1).mean()
        commitment = (said - vectors.detach()).square().sum(1).mean()
        if self.training:
            self._count(words, label)
        loss = reconstruction + learnt + COMMITMENT * commitment
        return {"loss": loss, "reconstruction": reconstruction, "commitment": commitment}

    @torch.no_grad()
    def _count(self, words: Tensor, label: Tensor) -> None:
        self.counts.mul_(REMEMBERED)
        place = torch.arange(self.rows**2, device=words.device).expand(len(words), -1)
        one = torch.ones_like(place, dtype=self.counts.dtype)
        self.counts.index_put_(
            (label[:, None].expand_as(place), place, words.flatten(1)), one, accumulate=True
        )

    @torch.no_grad()
    def draw(self, label: Tensor, seed: int) -> Tensor:
        """Each place's word on its own, as often as the class has it there: what a model of words is for."""
        return self.write(self._words(label, seed)).clamp(-1, 1)

    def _words(self, label: Tensor, seed: int) -> Tensor:
        chance = Chance.drawing(label, seed).uniform(0, self.rows**2)
        share = self.counts[label].cumsum(2)  # (B, n n, words)
        words = (share < chance[..., None] * share[..., -1:]).sum(2).clamp(max=self.words - 1)
        return words.unflatten(1, (self.rows, self.rows))

    @property
    def evaluations(self) -> int:
        return 1

    @torch.no_grad()
    def strip(self, label: Tensor, seed: int, frames: int) -> Tensor:
        """Word by word, from those of the next seed's picture to its own."""
        words, before = self._words(label, seed), self._words(label, seed + len(label))
        place = torch.arange(self.rows**2, device=words.device).unflatten(0, (self.rows, self.rows))
        parts = [self.rows**2 * k / max(frames - 1, 1) for k in range(frames)]
        return torch.stack([self.write(torch.where(place < p, words, before)).clamp(-1, 1) for p in parts])

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        return self.write(self.read(x)[1]).clamp(-1, 1)


def vq_vae(shape: Shape, teacher: Learner | None) -> Learner:
    return VQVAE(shape)


FAMILY = Family(
    "VQ-VAE", "autoencoder", "arXiv:1711.00937, eq. 3",
    "A picture is written as a grid of words from a vocabulary that is learnt with it. On its own it only "
    "knows how often each word stands at each place, so its drawings fall apart; another model "
    "has to learn the language (the transformer here).",
    vq_vae, plan={"learning_rate": 2e-3, "precision": "no"},
)  # fmt: skip
