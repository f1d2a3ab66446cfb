"""The starter's own table of noise levels, searched against many steps of itself on held-out prompts."""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from models import Parts
from schedulers import SAMPLERS, SCHEDULES, Level, SeededNoise, first_noise, solve
from schedulers.levels.search import search
from schedulers.levels.through import through
from training.starter.evaluation import cases
from training.starter.guided import good_settings, guided

GRID = 60  # steps of the fine path
TEACHER = 60  # steps of Heun
ROUNDS = 4  # of trying to move each level; each half as far as the one before
SEED = 30_000


@torch.inference_mode()
def fit(parts: Parts, steps: int, prompts: int) -> list[float]:
    """The VE sigmas of ``steps`` steps after the model's noisiest level, which every drawing begins with.

    Begins with the best of the known schedules and of the one that dynamic programming finds (see
    ``schedulers.levels.search``), and moves its levels as long as the model's own sampler ends nearer to
    what many steps draw, in ``steps`` steps and in twice as many.
    """
    denoise = guided(parts, [case.prompt for case in cases()[-prompts:]])
    width, height = (side // parts.scale_factor for side in parts.native_size)
    seeds, shape = tuple(SEED + k for k in range(prompts)), (parts.latent_channels, height, width)
    noise, sampler = first_noise(seeds, shape).to(parts.device), SAMPLERS[good_settings(parts)["sampler"]]

    def drawn(name: str, levels: list[Level]) -> Tensor:
        x = noise * math.hypot(*levels[0])
        return solve(name, denoise, x, levels, SeededNoise(seeds, shape, parts.device))

    teacher = drawn("heun", SCHEDULES["model"](parts.table, TEACHER))

    def strays(sigmas: list[float]) -> float:
        each = (through((math.inf, *sigmas), parts.table, n) for n in (steps, 2 * steps))
        return sum(float((drawn(sampler.name, levels) - teacher).square().mean().sqrt()) for levels in each)

    grid = SCHEDULES["kl-optimal"](parts.table, GRID)
    found = [search(denoise, noise * math.hypot(*grid[0]), grid, steps)]
    found += [schedule(parts.table, steps) for name, schedule in SCHEDULES.items() if name != "fitted"]
    best = min(([level.ve_sigma for level in levels[1:-1]] for levels in found), key=strays)
    low, high = parts.table.ends
    ends = (1.001 * low, 0.999 * high)  # written with five digits they are still the model's
    moved = descend([min(max(sigma, ends[0]), ends[1]) for sigma in best], strays, ends)
    return [float(f"{sigma:.5g}") for sigma in moved]


def descend(
    sigmas: list[float], strays: Callable[[list[float]], float], ends: tuple[float, float]
) -> list[float]:
    """``sigmas`` (falling), each moved towards its neighbours while ``strays`` of all becomes less; none
    outside of ``ends`` (low, high)."""
    best = strays(sigmas)
    for turn in range(ROUNDS):
        share = 0.5 ** (turn + 1)  # of the way to the neighbour, in log sigma
        for k in range(len(sigmas)):
            above = sigmas[k - 1] if k else ends[1]
            below = sigmas[k + 1] if k + 1 < len(sigmas) else ends[0]
            for to in (above, below):
                tried = [*sigmas[:k], sigmas[k] * (to / sigmas[k]) ** share, *sigmas[k + 1 :]]
                if any(a <= b for a, b in pairwise(tried)):
                    continue
                if (off := strays(tried)) < best:
                    best, sigmas = off, tried
                    break
    return sigmas
