"""Where each prompt of a recipe is heard: its regions' masks as shares of each latent. Runs nothing."""

from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from models import Parts
from pipelines.hints import sized
from pipelines.influences import numbered
from pipelines.materials import Materials, Pictures
from pipelines.recipe import Recipe
from pipelines.region import Region


class Place(NamedTuple):
    """Number 0 is where the recipe's own prompt is heard, k its region k; ``share`` is (1, 1, h, w)."""

    number: int
    share: Tensor


def places_of(recipe: Recipe, parts: Parts, materials: Materials) -> tuple[Place, ...]:
    """Those of ``recipe`` that have a share of its drawing; shares sum to 1 at every latent.

    A region's weight w counts against what is beneath it: its share is w m / (b + sum of all w m), m its mask
    and b = 1 - sum of all w m (at least 0) what the recipe's own prompt keeps. Raises ``RecipeError``.
    """
    height, width = recipe.height // parts.scale_factor, recipe.width // parts.scale_factor
    sums = [torch.zeros(1, 1, height, width)]
    for number, region in enumerate(recipe.regions, 1):
        with numbered("regions", number):
            mask = shade(region, materials.pictures, (recipe.width, recipe.height))
        pooled = avg_pool2d(torch.from_numpy(mask)[None, None], parts.scale_factor)
        sums.append(region.weight * pooled)
    sums[0] = (1 - torch.stack(sums).sum(0)).clamp(min=0)
    total = torch.stack(sums).sum(0)
    shares = [(one / total).to(parts.device) for one in sums]
    return tuple(Place(number, share) for number, share in enumerate(shares) if bool((share > 0).any()))


def shade(region: Region, pictures: Pictures, size: tuple[int, int], resize: str = "stretch") -> np.ndarray:
    """Its mask in ``size`` (width, height): (H, W) in [0, 1]; white is 1, black and transparent 0.

    Raises ``ValueError`` where it is not here, or covers nothing.
    """
    if region.mask not in pictures:
        raise ValueError(f"its mask {region.mask[:12]}… is not here; allowed: one that is. Paint it again.")
    painted: Image.Image = pictures[region.mask]
    mask = np.asarray(sized(painted, *size, resize).convert("L"), np.float32) / 255
    if not mask.any():
        raise ValueError("got a mask that covers nothing; allowed: one with a place to draw.")
    return mask
