"""WGAN-GP: the discriminator measures a distance instead of judging (arXiv:1704.00028)."""

import torch
from torch import Tensor

from training.families.adversarial import Adversarial, Judge, Rule, Scores, slope
from training.families.family import Family, Learner, Shape
from training.families.gan import PLAN

LAMBDA = 10.0


def critic_loss(scores: Scores) -> Tensor:
    """D(fake) - D(real) (arXiv:1704.00028, eq. 3)."""
    return scores.fake - scores.real


def generator_loss(scores: Scores) -> Tensor:
    """-D(fake) (arXiv:1704.00028, alg. 1)."""
    return -scores.fake


def gradient_penalty(judge: Judge, real: Tensor, fake: Tensor, chance: Tensor) -> Tensor:
    """lambda (|slope| - 1)^2 somewhere between a real and a made picture (arXiv:1704.00028, eq. 3)."""
    between = torch.lerp(real, fake, chance[:, None, None, None])
    return LAMBDA * (slope(judge, between) + 1e-12).sqrt().sub(1).square()


def wgan_gp(shape: Shape, teacher: Learner | None) -> Learner:
    return Adversarial(shape, Rule(critic_loss, generator_loss, gradient_penalty))


FAMILY = Family(
    "WGAN-GP", "adversarial", "arXiv:1704.00028, eq. 3",
    "A GAN whose second network says how far made pictures are from real ones, as the earth that would have "
    "to be moved. It is kept from changing faster than the pictures do, so the first always has a way to go.",
    wgan_gp, plan=PLAN,
)  # fmt: skip
