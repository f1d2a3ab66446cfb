"""Score models of stochastic differential equations: learn the slope of log p (arXiv:2011.13456)."""

import torch
from torch import Tensor

from training.families.diffusion import Design, Diffusion, Scale, table_of
from training.families.family import Family, Learner, Shape

STEPS = 1000
BETA = (0.1, 20.0)  # of the VP SDE's noise, at time 0 and 1 (app. C)
SIGMA = (0.01, 50.0)  # of the VE SDE
FIRST = 1e-3  # the time where training begins: at 0 the score is infinite
PLAN = {"learning_rate": 2e-3}


def score_scale(alpha: Tensor, sigma: Tensor) -> Scale:
    """The score is -F / sigma, so x0 = (x - sigma F) / alpha; weighted by sigma^2 (eq. 7) its error is F's
    from the noise. What the network sees is scaled to the size of a picture."""
    into = (alpha.square() + sigma.square()).rsqrt()
    return Scale(1 / alpha, -sigma / alpha, into, (alpha / sigma).square())


def _log_alpha(t: Tensor) -> Tensor:
    """-1/2 of beta's integral to time t (eq. 33)."""
    return -0.25 * t.square() * (BETA[1] - BETA[0]) - 0.5 * t * BETA[0]


def vp_ratio(t: Tensor) -> Tensor:
    """sigma / alpha of dx = -beta x / 2 dt + sqrt(beta) dw at time t (eq. 33)."""
    return torch.expm1(-2 * _log_alpha(t)).sqrt()


def sub_vp_ratio(t: Tensor) -> Tensor:
    """Of the sub-VP SDE, whose sigma is 1 - alpha^2 (eq. 29)."""
    return -torch.expm1(2 * _log_alpha(t)) / _log_alpha(t).exp()


def ve_ratio(t: Tensor) -> Tensor:
    """Of the VE SDE: sigma_min (sigma_max / sigma_min)^t (eq. 30)."""
    return SIGMA[0] * (SIGMA[1] / SIGMA[0]) ** t


def _times(count: int = STEPS) -> Tensor:
    return torch.linspace(FIRST, 1, count, dtype=torch.float64)


def score_vp(shape: Shape, teacher: Learner | None) -> Learner:
    table = table_of("vp", vp_ratio(_times()).tolist())
    return Diffusion(shape, Design("vp", table, lambda u: vp_ratio(FIRST + (1 - FIRST) * u), score_scale))


def score_sub_vp(shape: Shape, teacher: Learner | None) -> Learner:
    table = table_of("sub-vp", sub_vp_ratio(_times()).tolist())
    return Diffusion(
        shape, Design("sub-vp", table, lambda u: sub_vp_ratio(FIRST + (1 - FIRST) * u), score_scale)
    )


def score_ve(shape: Shape, teacher: Learner | None) -> Learner:
    return Diffusion(shape, Design("ve", table_of("ve", ve_ratio(_times()).tolist()), ve_ratio, score_scale))


_STORY = (
    "A stochastic equation turns pictures into noise; the network learns in which direction pictures become "
    "more probable, and with that the equation runs backwards. The same path without its chance also says "
    "how probable a picture is. "
)
SCORE_VP = Family(
    "Score model, VP", "diffusion", "arXiv:2011.13456, eq. 7 and 33",
    _STORY + "This equation keeps the size of the picture while it turns into noise.", score_vp, plan=PLAN,
)  # fmt: skip
SCORE_VE = Family(
    "Score model, VE", "diffusion", "arXiv:2011.13456, eq. 7 and 31",
    _STORY + "This equation drowns the picture in more and more noise.", score_ve, plan=PLAN,
)  # fmt: skip
SCORE_SUB_VP = Family(
    "Score model, sub-VP", "diffusion", "arXiv:2011.13456, eq. 7 and 29",
    _STORY + "This equation adds less noise than VP at every moment, which was made for likelihoods.",
    score_sub_vp, plan=PLAN,
)  # fmt: skip
