"""Adaptive projected guidance. Knows no prompts."""

from collections.abc import Sequence

import torch
from torch import Tensor

from schedulers.ask import Ask
from schedulers.guidance.rule import OVER, Guide, Strength, dot, two_branches
from schedulers.level import Level

MOMENTUM = -0.5  # beta: part of the last difference is taken away
LONGEST = 15 / 128  # r: root mean square of the difference at most; the paper's 15 is of 4 x 64 x 64 numbers


def apg(strength: Strength, levels: Sequence[Level]) -> Guide:
    """c + (w - 1) times the difference c - u without its part along c (arXiv:2410.02416, algorithm 1, eta 0).

    That part only saturates. The difference has a negative momentum over the asks and a longest length.
    """
    return projected(strength, MOMENTUM, LONGEST, 0.0)


def projected(strength: Strength, momentum: float, longest: float, along: float) -> Guide:
    """``apg`` that keeps the share ``along`` of the part along c, the algorithm's eta; 0, infinity and 1 are
    CFG."""
    running: Tensor | None = None

    def combine(ask: Ask, c: Tensor, u: Tensor) -> Tensor:
        nonlocal running
        difference = c - u if running is None else c - u + momentum * running
        running = difference
        length = difference.square().mean(OVER, keepdim=True).sqrt()  # (B, 1, 1, 1)
        difference = difference * torch.clamp(longest / length.clamp_min(1e-12), max=1)
        shared = dot(difference, c) / dot(c, c).clamp_min(1e-12) * c
        return c + (strength.guidance - 1) * (difference - (1 - along) * shared)

    return two_branches(strength, combine)
