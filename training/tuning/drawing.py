"""Pictures by the model that is being tuned: those that it learns from itself, those that show progress."""

import math
from collections.abc import Sequence
from math import inf

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models import Context, Parts
from models.chunks import Run
from schedulers import SCHEDULES, Level, SeededNoise, first_noise, solve

USUAL = {"sampler": "dpmpp-2m", "schedule": "model", "steps": 20, "guidance": 7.5}  # where a model has none


def draw(parts: Parts, texts: Sequence[str], seeds: Sequence[int], size: tuple[int, int]) -> Tensor:
    """(B, 3, H, W) in [-1, 1], a picture a text with the seed of its place, as the model's defaults have it;
    ``size`` is (width, height). Classifier-free guidance (arXiv:2207.12598, eq. 6, in x0)."""
    good = USUAL | {name: value for name, value in parts.defaults.items() if value is not None}
    levels = SCHEDULES[good["schedule"]](parts.table, good["steps"])
    shape = (parts.latent_channels, size[1] // parts.scale_factor, size[0] // parts.scale_factor)
    rows = parts.encode_prompts([[((Run(text),),)] for text in ("", *texts)])
    context = Context.cat([rows[1:], rows[:1].expand(len(texts))])

    def denoise(x: Tensor, level: Level) -> Tensor:
        both = parts.denoise(torch.cat([x, x]), [level] * (2 * len(x)), context)
        asked, plain = both.chunk(2)
        guided = level.ve_sigma <= good.get("guidance_high", inf)
        return plain + good["guidance"] * (asked - plain) if guided else asked

    x = first_noise(seeds, shape).to(parts.device) * math.hypot(*levels[0])
    noise = SeededNoise(tuple(seeds), shape, parts.device)
    return parts.decode(solve(good["sampler"], denoise, x, levels, noise)).cpu()


def to_images(pixels: Tensor) -> list[Image.Image]:
    """Of (B, 3, H, W) in [-1, 1]."""
    bytes_ = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(np.ascontiguousarray(each)) for each in bytes_]


def shown(parts: Parts, texts: Sequence[str], size: tuple[int, int]) -> Image.Image | None:
    """A picture of each of ``texts`` side by side, always with the same seeds; None if there are none."""
    if not texts:
        return None
    images = to_images(draw(parts, texts, range(len(texts)), size))
    sheet = Image.new("RGB", (sum(image.width for image in images), images[0].height))
    for k, image in enumerate(images):
        sheet.paste(image, (k * image.width, 0))
    return sheet
