"""What all GANs here are: a generator, a discriminator, and a rule for their losses.

Both learn in one backward pass: each one's loss sees the other frozen, so no gradient crosses over. Knows
no particular rule.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from training.families.chance import Chance, walk
from training.families.family import Learner, Shape
from training.families.networks import drawn_in_squares, frozen, seen_in_squares

WIDTH = 48
CODE = 64  # numbers that a picture is made from

Judge = Callable[[Tensor], Tensor]  # pictures (B, C, H, W) -> how real (B,)


@dataclass(frozen=True)
class Scores:
    """What the discriminator says, (B,) each, of rows of real and of made pictures."""

    real: Tensor
    fake: Tensor


@dataclass(frozen=True)
class Rule:
    """Losses of one kind of GAN, (B,) each. ``penalty`` is of the discriminator's slope: (judge, real, fake,
    uniform numbers (B,)) -> (B,)."""

    discriminator: Callable[[Scores], Tensor]
    generator: Callable[[Scores], Tensor]
    penalty: Callable[[Judge, Tensor, Tensor, Tensor], Tensor]


class Generator(nn.Module):
    """(B, CODE) normal numbers and a class -> pictures (B, C, H, W) in (-1, 1)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.kind = nn.Embedding(shape.classes, CODE)
        self.start = nn.Linear(2 * CODE, WIDTH * 16)
        self.body = nn.Sequential(*drawn_in_squares(shape, WIDTH))

    def forward(self, code: Tensor, label: Tensor) -> Tensor:
        start = self.start(torch.cat([code, self.kind(label)], 1)).unflatten(1, (WIDTH, 4, 4))
        return self.body(start).tanh()


class Discriminator(nn.Module):
    """How real a picture of a class is, (B,): what is seen, projected on the class (arXiv:1802.05637)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.down = nn.Sequential(*seen_in_squares(shape, WIDTH))
        self.seen = nn.Sequential(nn.SiLU(), nn.Flatten(), nn.Linear(WIDTH * 16, WIDTH), nn.SiLU())
        self.kind = nn.Embedding(shape.classes, WIDTH)
        self.real = nn.Linear(WIDTH, 1)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        seen = self.seen(self.down(x))
        return self.real(seen)[:, 0] + (seen * self.kind(label)).mean(1)


class Adversarial(Learner):
    """Draws with the generator; the discriminator is there to teach it."""

    def __init__(self, shape: Shape, rule: Rule) -> None:
        super().__init__()
        self.rule = rule
        self.generator, self.discriminator = Generator(shape), Discriminator(shape)

    def forward(self, x: Tensor, label: Tensor, seed: Tensor) -> dict[str, Tensor]:
        """The discriminator's loss on finished fakes plus the generator's before a frozen discriminator."""
        chance = Chance.of(seed, x)
        fake = self.generator(chance.normal(0, CODE), label)

        def judge(pictures: Tensor) -> Tensor:
            return self.discriminator(pictures, label)

        held = fake.detach()
        taught = self.rule.discriminator(Scores(judge(x), judge(held))).mean()
        penalty = self.rule.penalty(judge, x, held, chance.uniform(1)).mean()
        still = frozen(self.discriminator)

        def held_judge(pictures: Tensor) -> Tensor:
            return functional_call(self.discriminator, still, (pictures, label))

        fooled = self.rule.generator(Scores(held_judge(x), held_judge(fake))).mean()
        parts = {"discriminator": taught, "generator": fooled, "penalty": penalty}
        return {"loss": taught + penalty + fooled, **parts}

    @torch.no_grad()
    def draw(self, label: Tensor, seed: int) -> Tensor:
        return self.generator(Chance.drawing(label, seed).normal(0, CODE), label)

    @property
    def evaluations(self) -> int:
        return 1

    @torch.no_grad()
    def strip(self, label: Tensor, seed: int, frames: int) -> Tensor:
        chance = Chance.drawing(label, seed)
        codes = walk(chance.normal(0, CODE), chance.normal(1, CODE), frames)
        return torch.stack([self.generator(code, label) for code in codes])


def slope(judge: Judge, x: Tensor) -> Tensor:
    """|d judge / d x|^2 (B,) at pictures x, itself with a gradient."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(judge(x).sum(), x, create_graph=True)
    return gradient.square().sum((1, 2, 3))
