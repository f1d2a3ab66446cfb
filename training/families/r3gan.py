"""R3GAN: real and made pictures are judged in pairs (arXiv:2501.05441)."""

from torch import Tensor
from torch.nn.functional import softplus

from training.families.adversarial import Adversarial, Judge, Rule, Scores, slope
from training.families.family import Family, Learner, Shape
from training.families.gan import PLAN

GAMMA = 1.0  # of R1 and R2, which count gamma / 2


def discriminator_loss(scores: Scores) -> Tensor:
    """f(D(fake) - D(real)), f the softplus (arXiv:2501.05441, eq. 2)."""
    return softplus(scores.fake - scores.real)


def generator_loss(scores: Scores) -> Tensor:
    """The same pair, the other way round."""
    return softplus(scores.real - scores.fake)


def r1_and_r2(judge: Judge, real: Tensor, fake: Tensor, chance: Tensor) -> Tensor:
    """gamma / 2 |slope|^2 at real and at made pictures (arXiv:2501.05441, eq. 3 and 4)."""
    return GAMMA / 2 * (slope(judge, real) + slope(judge, fake))


def r3gan(shape: Shape, teacher: Learner | None) -> Learner:
    return Adversarial(shape, Rule(discriminator_loss, generator_loss, r1_and_r2))


FAMILY = Family(
    "R3GAN", "adversarial", "arXiv:2501.05441, eq. 2 to 4",
    "A GAN that asks which of two pictures is more real, so that no kind of real picture may be given up, "
    "with two penalties that make the game settle. A modern GAN without the old tricks.",
    r3gan, plan=PLAN,
)  # fmt: skip
