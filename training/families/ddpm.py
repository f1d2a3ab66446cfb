"""Denoising diffusion: learn the noise, the picture, or something between the two (arXiv:2006.11239)."""

import torch
from torch import Tensor

from models.table import read_scheduler
from schedulers.level import Table
from training.families.diffusion import Design, Diffusion, Scale, among
from training.families.family import Family, Learner, Shape

GUIDANCE = 1.5
MOST = 5.0  # of a picture's weight: min-SNR-5


def snr(alpha: Tensor, sigma: Tensor) -> Tensor:
    return (alpha / sigma).square()


def epsilon_scale(alpha: Tensor, sigma: Tensor) -> Scale:
    """F is the noise; its error counts 1 at every level (arXiv:2006.11239, eq. 14)."""
    return Scale(1 / alpha, -sigma / alpha, torch.ones_like(alpha), snr(alpha, sigma))


def x0_scale(alpha: Tensor, sigma: Tensor) -> Scale:
    """F is x0; its error counts min(SNR, 5) (arXiv:2303.09556, sec. 3.4)."""
    return Scale(
        torch.zeros_like(alpha),
        torch.ones_like(alpha),
        torch.ones_like(alpha),
        snr(alpha, sigma).clamp(max=MOST),
    )


def v_scale(alpha: Tensor, sigma: Tensor) -> Scale:
    """F is v = alpha noise - sigma x0 (arXiv:2202.00512, app. D); x0's error counts min(SNR, 5)."""
    return Scale(alpha, -sigma, torch.ones_like(alpha), snr(alpha, sigma).clamp(max=MOST))


def linear() -> Table:
    """1000 levels, beta from 1e-4 to 0.02 (arXiv:2006.11239, sec. 4)."""
    return read_scheduler({"beta_schedule": "linear", "timestep_spacing": "trailing"}).table


def cosine() -> Table:
    """1000 levels whose alpha is a cosine (arXiv:2102.09672, eq. 17)."""
    return read_scheduler({"beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "trailing"}).table


def ddpm_epsilon(shape: Shape, teacher: Learner | None) -> Learner:
    table = linear()
    return Diffusion(shape, Design("vp", table, among(table), epsilon_scale, guidance=GUIDANCE))


def ddpm_x0(shape: Shape, teacher: Learner | None) -> Learner:
    table = cosine()
    return Diffusion(shape, Design("vp", table, among(table), x0_scale, guidance=GUIDANCE))


def ddpm_v(shape: Shape, teacher: Learner | None) -> Learner:
    table = cosine()
    return Diffusion(shape, Design("vp", table, among(table), v_scale, guidance=GUIDANCE))


_STORY = (
    "Noise is added to pictures in a thousand small steps, and a network learns to undo one of them. Drawing "
    "starts from pure noise and undoes them all, or far fewer with a good sampler. "
)
PLAN = {"learning_rate": 2e-3}

DDPM_EPSILON = Family(
    "DDPM, predicts the noise", "diffusion", "arXiv:2006.11239, eq. 14",
    _STORY + "This one answers with the noise that it sees.", ddpm_epsilon, plan=PLAN,
)  # fmt: skip
DDPM_X0 = Family(
    "DDPM, predicts the picture", "diffusion", "arXiv:2303.09556, sec. 3.4",
    _STORY + "This one answers with the finished picture, with more of the levels in the middle.",
    ddpm_x0, plan=PLAN,
)  # fmt: skip
DDPM_V = Family(
    "DDPM, predicts v", "diffusion", "arXiv:2202.00512, app. D",
    _STORY + "This one answers with a mix of noise and picture, which is well posed at every level.",
    ddpm_v, plan=PLAN,
)  # fmt: skip
