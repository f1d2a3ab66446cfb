"""Normalising flows: noise and picture are the same numbers, turned by steps that can be undone.

RealNVP swaps halves of the channels between its couplings (arXiv:1605.08803); Glow mixes them by a learnt
matrix (arXiv:1807.03039). The likelihood is exact.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.families.chance import Chance, walk
from training.families.family import Family, Learner, Likelihood, Shape
from training.families.networks import bits, dequantised

Mix = Literal["swap", "matrix"]
WIDTH = 64
STEPS = 6  # couplings at each scale
STRETCH = 2.0  # a coupling changes the size of a number by e^2 at most


class Coupling(nn.Module):
    """Mix the channels, then scale and shift half of them by what the other half says (arXiv:1605.08803,
    eq. 7 and 8)."""

    def __init__(self, channels: int, classes: int, mix: Mix) -> None:
        super().__init__()
        self.still = channels // 2
        order = torch.eye(channels).flip(0)
        if mix == "matrix":
            order = torch.linalg.qr(torch.randn(channels, channels))[0]
        self.matrix = nn.Parameter(order, requires_grad=mix == "matrix")
        self.first = nn.Conv2d(self.still, WIDTH, 3, padding=1)
        self.kind = nn.Embedding(classes, WIDTH)
        self.middle = nn.Conv2d(WIDTH, WIDTH, 1)
        self.last = nn.Conv2d(WIDTH, 2 * (channels - self.still), 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # pyright: ignore[reportArgumentType]

    def _changes(self, kept: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        seen = functional.silu(self.first(kept) + self.kind(label)[:, :, None, None])
        log_scale, shift = self.last(functional.silu(self.middle(seen))).chunk(2, 1)
        return STRETCH * torch.tanh(log_scale / STRETCH), shift

    def forward(self, x: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """(the same turned (B, C, h, w), log |det| (B,))."""
        x = torch.einsum("ij,bjhw->bihw", self.matrix, x)
        kept, changed = x[:, : self.still], x[:, self.still :]
        log_scale, shift = self._changes(kept, label)
        turned = torch.cat([kept, changed * log_scale.exp() + shift], 1)
        places = x.shape[2] * x.shape[3]
        return turned, log_scale.sum((1, 2, 3)) + places * torch.linalg.slogdet(self.matrix)[1]

    def inverse(self, z: Tensor, label: Tensor) -> Tensor:
        """``forward`` undone."""
        kept, changed = z[:, : self.still], z[:, self.still :]
        log_scale, shift = self._changes(kept, label)
        x = torch.cat([kept, (changed - shift) * (-log_scale).exp()], 1)
        return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(self.matrix), x)


class NormalisingFlow(Learner, Likelihood):
    """Scales of couplings; after each but the last half of the numbers are done (1605.08803, sec. 3.6)."""

    def __init__(self, shape: Shape, mix: Mix) -> None:
        super().__init__()
        self.shape = shape
        self.size = shape.channels * shape.side**2
        self.scales = nn.ModuleList()
        channels, side = shape.channels, shape.side
        while side > 2 and len(self.scales) < 3:
            channels, side = channels * 4, side // 2
            self.scales.append(nn.ModuleList(Coupling(channels, shape.classes, mix) for _ in range(STEPS)))
            channels //= 2
        self.log_scale = nn.Parameter(torch.zeros(shape.channels, shape.side, shape.side))
        self.shift = nn.Parameter(torch.zeros(shape.channels, shape.side, shape.side))

    def to_noise(self, x: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """(noise (B, C H W), log |det| (B,)) of pictures x (B, C, H, W)."""
        gained = self.log_scale.sum().expand(len(x))
        x, done = (x + self.shift) * self.log_scale.exp(), list[Tensor]()
        for index, scale in enumerate(self.scales):
            x = functional.pixel_unshuffle(x, 2)
            for coupling in _couplings(scale):
                x, more = coupling(x, label)
                gained = gained + more
            if index + 1 < len(self.scales):
                x, out = x.chunk(2, 1)
                done.append(out.flatten(1))
        return torch.cat([*done, x.flatten(1)], 1), gained

    def to_picture(self, noise: Tensor, label: Tensor) -> Tensor:
        """``to_noise`` undone."""
        sizes = [self.size >> (k + 1) for k in range(len(self.scales) - 1)]
        *done, last = noise.split([*sizes, self.size - sum(sizes)], 1)
        side = self.shape.side >> len(self.scales)
        x = last.unflatten(1, (-1, side, side))
        for index in reversed(range(len(self.scales))):
            if index + 1 < len(self.scales):
                x = torch.cat([x, done[index].unflatten(1, x.shape[1:])], 1)
            for coupling in reversed(_couplings(self.scales[index])):
                x = coupling.inverse(x, label)
            x = functional.pixel_shuffle(x, 2)
        return x * (-self.log_scale).exp() - self.shift

    def log_density(self, x: Tensor, label: Tensor) -> Tensor:
        """(B,) in nats (arXiv:1605.08803, eq. 2 and 3)."""
        noise, gained = self.to_noise(x, label)
        return gained - 0.5 * noise.square().sum(1) - self.size / 2 * math.log(2 * math.pi)

    def forward(self, x: Tensor, label: Tensor, seed: Tensor) -> dict[str, Tensor]:
        """-log p a pixel of dequantised pictures (arXiv:1605.08803, eq. 2)."""
        data = dequantised(x, Chance.of(seed, x).uniform(0, *x.shape[1:]))
        return {"loss": -self.log_density(data, label).mean() / self.size}

    @torch.no_grad()
    def bits_per_dimension(self, x: Tensor, seed: int) -> Tensor:
        """Under a mixture of all classes alike, as nothing says which one x is of."""
        data = dequantised(x, Chance.of(torch.tensor(seed), x).uniform(0, *x.shape[1:]))
        kinds = [torch.full((len(x),), k, device=x.device) for k in range(self.shape.classes)]
        each = torch.stack([self.log_density(data, kind) for kind in kinds])
        return bits(each.logsumexp(0) - math.log(len(kinds)), x)

    @torch.no_grad()
    def draw(self, label: Tensor, seed: int) -> Tensor:
        return self.to_picture(Chance.drawing(label, seed).normal(0, self.size), label).clamp(-1, 1)

    @property
    def evaluations(self) -> int:
        return 1

    @torch.no_grad()
    def strip(self, label: Tensor, seed: int, frames: int) -> Tensor:
        chance = Chance.drawing(label, seed)
        points = walk(chance.normal(0, self.size), chance.normal(1, self.size), frames)
        return torch.stack([self.to_picture(point, label).clamp(-1, 1) for point in points])


def _couplings(scale: nn.Module) -> list[Coupling]:
    assert isinstance(scale, nn.ModuleList)
    return [coupling for coupling in scale if isinstance(coupling, Coupling)]


def realnvp(shape: Shape, teacher: Learner | None) -> Learner:
    return NormalisingFlow(shape, "swap")


def glow(shape: Shape, teacher: Learner | None) -> Learner:
    return NormalisingFlow(shape, "matrix")


_STORY = (
    "Every picture is turned into noise by steps that can be undone, so each number of the noise stands for "
    "something in the picture and the probability of a picture is known exactly. No step may lose anything, "
    "which costs size. "
)
PLAN = {"learning_rate": 2e-3, "precision": "no", "weight_decay": 0.0}
REALNVP = Family(
    "RealNVP", "flow", "arXiv:1605.08803, eq. 2, 7 and 8",
    _STORY + "Channels change places between the steps.",
    realnvp, plan=PLAN,
)  # fmt: skip
GLOW = Family(
    "Glow", "flow", "arXiv:1807.03039, eq. 9",
    _STORY + "Channels are mixed by learnt matrices between the steps.",
    glow, plan=PLAN,
)  # fmt: skip
