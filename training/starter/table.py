"""The starter's own table of noise levels, searched against many steps of itself on held-out prompts."""

import math

import torch

from models import Parts
from schedulers import SCHEDULES, first_noise
from schedulers.levels.search import search
from training.starter.evaluation import cases
from training.starter.guided import guided

GRID = 60  # steps of the fine path
SEED = 30_000


@torch.inference_mode()
def fit(parts: Parts, steps: int, prompts: int) -> list[float]:
    """The VE sigmas of ``steps`` steps after the model's noisiest level, which every drawing begins with."""
    denoise = guided(parts, [case.prompt for case in cases()[-prompts:]])
    grid = SCHEDULES["kl-optimal"](parts.table, GRID)
    width, height = (side // parts.scale_factor for side in parts.native_size)
    seeds = [SEED + k for k in range(prompts)]
    x = first_noise(seeds, (parts.latent_channels, height, width)).to(parts.device) * math.hypot(*grid[0])
    return [float(f"{level.ve_sigma:.5g}") for level in search(denoise, x, grid, steps)[1:-1]]
