"""A cheap look at latents: the linear map to RGB that comes nearest to what the decoder would say.

Fitted by least squares on decoded random latents, once a model, the first time a preview is wanted; or read
from ``vae/preview.json`` (``{"weight": 3 n n rows of C, "bias": 3 n n numbers}``, for n x n pixels a latent:
all of the red, then green and blue). Knows no pipelines.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

MOST = 16  # pixels along the edge of a latent


@dataclass(frozen=True, eq=False)
class Projection:
    weight: Tensor  # (3 n n, C)
    bias: Tensor  # (3 n n,)

    def __call__(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) latents in the U-Net's scale -> (B, 3, n h, n w) in [-1, 1]."""
        weight, bias = self.weight.to(latents), self.bias.to(latents)
        pixels = torch.einsum("rc,bchw->brhw", weight, latents) + bias[:, None, None]
        return F.pixel_shuffle(pixels, isqrt(len(weight) // 3)).clamp(-1, 1)


def read_projection(file: Path, channels: int) -> Projection:
    """Raises ``ValueError`` when the numbers in ``file`` do not fit a model of so many latent channels."""
    values = json.loads(file.read_text("utf-8"))
    weight, bias = torch.tensor(values["weight"]), torch.tensor(values["bias"])
    edge = isqrt(len(weight) // 3)
    if not 0 < edge <= MOST or weight.shape != (3 * edge**2, channels) or bias.shape != (3 * edge**2,):
        got = f"{tuple(weight.shape)} weights"
        raise ValueError(
            f"{file.name}: got {got}; allowed: (3, {channels}), or more rows by a square number."
        )
    return Projection(weight.float(), bias.float())


def fit_projection(decode: Callable[[Tensor], Tensor], channels: int, size: int = 16) -> Projection:
    """Least squares from latents to decoded pixels averaged to their size (``decode`` as in ``Parts``).

    Half of the latents are white, half smooth: decoders treat flat areas and texture differently.
    """
    generator = torch.Generator("cpu").manual_seed(0)
    white = torch.randn((4, channels, size, size), generator=generator)
    coarse = torch.randn((4, channels, size // 4, size // 4), generator=generator)
    latents = torch.cat([white, F.interpolate(coarse, scale_factor=4, mode="bicubic")])
    pixels = F.adaptive_avg_pool2d(decode(latents).float().cpu(), size)  # (8, 3, h, w)
    rows = latents.permute(0, 2, 3, 1).reshape(-1, channels)
    design = torch.cat([rows, torch.ones(len(rows), 1)], 1)  # (8 h w, C + 1)
    solution = torch.linalg.lstsq(design, pixels.permute(0, 2, 3, 1).reshape(-1, 3)).solution
    return Projection(solution[:-1].T.contiguous(), solution[-1])
