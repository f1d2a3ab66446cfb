"""Rectified flow: learn the straight line from noise to picture (arXiv:2209.03003)."""

import torch
from torch import Tensor

from models.table import read_scheduler
from training.families.diffusion import Design, Diffusion, Scale, normal_quantile
from training.families.family import Family, Learner, Shape


def flow_scale(alpha: Tensor, sigma: Tensor) -> Scale:
    """F is the velocity noise - x0, whose error counts 1 (arXiv:2209.03003, eq. 1): x0 = x - sigma F."""
    return Scale(torch.ones_like(alpha), -sigma, torch.ones_like(alpha), sigma**-2)


def logit_normal(chance: Tensor) -> Tensor:
    """sigma / alpha = t / (1 - t) of a t whose logit is normal (arXiv:2403.03206, eq. 19)."""
    return normal_quantile(chance).exp()


def design(guidance: float = 1.5) -> Design:
    table = read_scheduler({"_class_name": "FlowMatchEulerDiscreteScheduler"}).table
    return Design("flow", table, logit_normal, flow_scale, "euler", "trailing", 25, guidance)


def rectified_flow(shape: Shape, teacher: Learner | None) -> Learner:
    return Diffusion(shape, design())


FAMILY = Family(
    "Rectified flow", "diffusion", "arXiv:2209.03003, eq. 1; arXiv:2403.03206, eq. 19",
    "Noise and picture are joined by a straight line, and the network learns in which direction a point on "
    "it moves. Straight paths need few steps. Stable Diffusion 3 and Flux are made this way.",
    rectified_flow, plan={"learning_rate": 2e-3},
)  # fmt: skip
