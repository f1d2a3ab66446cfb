"""The GAN as first made: the generator learns to be taken for real (arXiv:1406.2661), held by R1."""

from torch import Tensor
from torch.nn.functional import softplus

from training.families.adversarial import Adversarial, Judge, Rule, Scores, slope
from training.families.family import Family, Learner, Shape

GAMMA = 1.0  # of R1, which counts gamma / 2
PLAN = {
    "learning_rate": 1e-3, "betas": (0.0, 0.99), "weight_decay": 0.0, "clip": 10.0, "decay_from": 0.5,
    "ema": 0.99, "precision": "no",
}  # fmt: skip


def discriminator_loss(scores: Scores) -> Tensor:
    """-log D(real) - log(1 - D(fake)) (arXiv:1406.2661, eq. 1), D the sigmoid of a score."""
    return softplus(-scores.real) + softplus(scores.fake)


def generator_loss(scores: Scores) -> Tensor:
    """-log D(fake): non-saturating (arXiv:1406.2661, sec. 3)."""
    return softplus(-scores.fake)


def r1(judge: Judge, real: Tensor, fake: Tensor, chance: Tensor) -> Tensor:
    """gamma / 2 |slope|^2 at real pictures (arXiv:1801.04406, eq. 9)."""
    return GAMMA / 2 * slope(judge, real)


def gan(shape: Shape, teacher: Learner | None) -> Learner:
    return Adversarial(shape, Rule(discriminator_loss, generator_loss, r1))


FAMILY = Family(
    "GAN with R1", "adversarial", "arXiv:1406.2661, eq. 1; arXiv:1801.04406, eq. 9",
    "Two networks play: one makes pictures, the other tells them from real ones. They draw in one step and "
    "sharply, but may forget some of the kinds of picture that there are, and the game can be lost.",
    gan, plan=PLAN,
)  # fmt: skip
