"""EDM: the network sees and answers numbers of one size at every noise level (arXiv:2206.00364)."""

from torch import Tensor

from training.families.diffusion import Design, Diffusion, Scale, normal_quantile, table_of
from training.families.family import Family, Learner, Shape

DATA = 0.5  # sigma_data
MEAN, SPREAD = -1.2, 1.2  # of ln sigma while training
SIGMA = (0.002, 80.0)


def edm_scale(alpha: Tensor, sigma: Tensor) -> Scale:
    """c_skip, c_out, c_in and lambda of table 1 ("Ours"); alpha is 1."""
    size = sigma.square() + DATA**2
    return Scale(DATA**2 / size, sigma * DATA * size.rsqrt(), size.rsqrt(), size / (sigma * DATA).square())


def edm_ratio(chance: Tensor) -> Tensor:
    """ln sigma is normal: most of the work where it is decided what a picture shows (table 1)."""
    return (MEAN + SPREAD * normal_quantile(chance)).exp()


def design() -> Design:
    low, high = SIGMA
    table = table_of("ve", [low * (high / low) ** (k / 999) for k in range(1000)])
    return Design("ve", table, edm_ratio, edm_scale, sampler="heun", steps=18)


def edm(shape: Shape, teacher: Learner | None) -> Learner:
    return Diffusion(shape, design())


FAMILY = Family(
    "EDM", "diffusion", "arXiv:2206.00364, eq. 8 and table 1",
    "The same as other diffusion models, with everything that is free to choose chosen by measurement: how "
    "the network's question and answer are scaled, which noise levels it learns at, and Heun's steps.",
    edm, plan={"learning_rate": 2e-3},
)  # fmt: skip
