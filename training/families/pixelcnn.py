"""PixelCNN: pixel after pixel, each from those before it (gated, arXiv:1606.05328). Exact likelihood."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.families.chance import Chance
from training.families.diffusion import evenly
from training.families.family import Family, Learner, Likelihood, Shape
from training.families.networks import eight_bit

WIDTH = 48
LAYERS = 5
VALUES = 256
LN2 = torch.log(torch.tensor(2.0)).item()


class Gate(nn.Module):
    """One layer of two stacks: what is above a pixel, and what is left of it in its row (sec. 2.2 and 2.3).

    The first layer's row stack does not see the pixel itself. The class enters both gates.
    """

    def __init__(self, channels: int, classes: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.above = nn.Conv2d(channels, 2 * WIDTH, (2, 3))
        self.left = nn.Conv2d(channels, 2 * WIDTH, (1, 2))
        self.over = nn.Conv2d(2 * WIDTH, 2 * WIDTH, 1)
        self.out = nn.Conv2d(WIDTH, WIDTH, 1)
        self.kind = nn.Embedding(classes, 4 * WIDTH)

    def forward(self, above: Tensor, left: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Both (B, C, H, W), ``above`` of a pixel's row and those before -> the next layer's."""
        kinds = self.kind(label)[:, :, None, None].chunk(2, 1)
        seen = self.above(functional.pad(above, (1, 1, 1, 0)))  # this row and the one above
        shifted = functional.pad(seen, (0, 0, 1, 0))[:, :, :-1]  # to the row stack: rows above only
        beside = functional.pad(left, (2, 0) if self.first else (1, 0))
        row = self.left(beside)[..., : left.shape[3]] + self.over(shifted)
        found = self.out(_gated(row + kinds[1]))
        return _gated(seen + kinds[0]), found if self.first else left + found


def _gated(x: Tensor) -> Tensor:
    """tanh(a) sigmoid(b) (arXiv:1606.05328, eq. 2)."""
    a, b = x.chunk(2, 1)
    return a.tanh() * b.sigmoid()


class PixelCNN(Learner, Likelihood):
    """p(x) = product over pixels and channels of p(value | pixels before, channels before)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.gates = nn.ModuleList(
            Gate(shape.channels if k == 0 else WIDTH, shape.classes, k == 0) for k in range(LAYERS)
        )
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(WIDTH + k, 2 * WIDTH, 1), nn.SiLU(), nn.Conv2d(2 * WIDTH, VALUES, 1))
            for k in range(shape.channels)
        )  # channel k sees the channels before it

    def features(self, x: Tensor, label: Tensor) -> Tensor:
        """(B, WIDTH, H, W), at each pixel of x (B, C, H, W) from those before it in reading order."""
        above = left = x
        for gate in self.gates:
            above, left = gate(above, left, label)
        return left

    def logits(self, features: Tensor, x: Tensor, channel: int) -> Tensor:
        """(B, VALUES, H, W) of one channel's value."""
        return self.heads[channel](torch.cat([features, x[:, :channel]], 1)).float()

    def log_probability(self, x: Tensor, label: Tensor) -> Tensor:
        """(B,) in nats (arXiv:1606.05328, eq. 1)."""
        values, features = eight_bit(x).long(), self.features(x, label)
        losses = [
            functional.cross_entropy(self.logits(features, x, c), values[:, c], reduction="none").sum((1, 2))
            for c in range(self.shape.channels)
        ]
        return -torch.stack(losses).sum(0)

    def forward(self, x: Tensor, label: Tensor, seed: Tensor) -> dict[str, Tensor]:
        """-log p a dimension (arXiv:1606.05328, eq. 1)."""
        return {"loss": -self.log_probability(x, label).mean() / x[0].numel()}

    @torch.no_grad()
    def bits_per_dimension(self, x: Tensor, seed: int) -> Tensor:
        """Exact, under a mixture of all classes alike, as nothing says which one x is of."""
        kinds = [torch.full((len(x),), k, device=x.device) for k in range(self.shape.classes)]
        each = torch.stack([self.log_probability(x, kind) for kind in kinds])
        mixed = each.logsumexp(0) - torch.tensor(float(len(kinds))).log()
        return -mixed / (x[0].numel() * LN2)

    @torch.no_grad()
    def draw(self, label: Tensor, seed: int) -> Tensor:
        return self._drawn(label, seed, 1)[0]

    def _drawn(self, label: Tensor, seed: int, frames: int) -> Tensor:
        """(frames, B, C, H, W): unfinished pictures, black where nothing is yet, and the finished one."""
        c, side = self.shape.channels, self.shape.side
        chance = Chance.drawing(label, seed).uniform(0, side, side, c)
        x, seen = torch.full((len(label), c, side, side), -1.0, device=label.device), list[Tensor]()
        shown = evenly(side * side, frames)
        for place in range(side * side):
            row, column = divmod(place, side)
            top = max(0, row - LAYERS - 1)  # no pixel sees farther up
            features = self.features(x[:, :, top : row + 1], label)[:, :, -1:, column : column + 1]
            for k in range(c):
                here = x[:, :, row : row + 1, column : column + 1]
                share = self.logits(features, here, k)[:, :, 0, 0].softmax(1).cumsum(1)
                value = (share < chance[:, row, column, k, None]).sum(1).clamp(max=VALUES - 1)
                x[:, k, row, column] = value / 127.5 - 1
            seen += [x.clone()] * shown.count(place)
        return torch.stack(seen)

    @property
    def evaluations(self) -> int:
        return self.shape.side**2

    @torch.no_grad()
    def strip(self, label: Tensor, seed: int, frames: int) -> Tensor:
        return self._drawn(label, seed, frames)


def pixelcnn(shape: Shape, teacher: Learner | None) -> Learner:
    return PixelCNN(shape)


FAMILY = Family(
    "PixelCNN", "autoregressive", "arXiv:1606.05328, eq. 1 and 2",
    "Pixels are drawn one after another in reading order, each from 256 probabilities that depend "
    "on those before it. The probability of a picture is exact; drawing takes a step a pixel.",
    pixelcnn, batch=16, plan={"learning_rate": 3e-3},
)  # fmt: skip
