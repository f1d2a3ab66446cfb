"""The starter's own table of noise levels, searched against many steps of itself on held-out prompts."""

import math

import torch
from torch import Tensor

from models import Context, Parts
from schedulers import SCHEDULES, Level, first_noise
from schedulers.levels.search import search
from training.starter.evaluation import cases

GRID = 60  # steps of the fine path
GUIDANCE = 4.0
SEED = 30_000


@torch.inference_mode()
def fit(parts: Parts, steps: int, prompts: int) -> list[float]:
    """The VE sigmas of ``steps`` steps after the model's noisiest level, which every drawing begins with."""
    texts = [case.prompt for case in cases()[-prompts:]]
    blank = parts.encode_text([""]).expand(prompts)
    context = Context.cat([parts.encode_text(texts), blank])

    def denoise(x: Tensor, level: Level) -> Tensor:
        both = parts.denoise(torch.cat([x, x]), [level] * (2 * len(x)), context)
        asked, plain = both.chunk(2)
        return plain + GUIDANCE * (asked - plain)

    grid = SCHEDULES["kl-optimal"](parts.table, GRID)
    width, height = (side // parts.scale_factor for side in parts.native_size)
    seeds = [SEED + k for k in range(prompts)]
    x = first_noise(seeds, (parts.latent_channels, height, width)).to(parts.device) * math.hypot(*grid[0])
    return [float(f"{level.ve_sigma:.5g}") for level in search(denoise, x, grid, steps)[1:-1]]
