"""What the starter's latents are: principal components of 8 x 8 patches of its scenes, half whitened.

They are linear in the pixels, so an object has one pattern of codes on every background but for its edge, and
the first three are little more than a thumbnail. Knows no networks.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from training.data.scenes import CELL, scene_at

CHANNELS = 8
FITTED_ON = 600  # scenes


@dataclass(frozen=True, eq=False)
class Codes:
    """``mean`` (192,) of the patches, and their components (192, CHANNELS) times what makes a code's size."""

    mean: Tensor
    components: Tensor  # orthonormal
    sizes: Tensor  # (CHANNELS,) codes are components times these

    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> codes (B, CHANNELS, H / 8, W / 8), of unit variance over all of them."""
        patches = pixels.unfold(2, CELL, CELL).unfold(3, CELL, CELL)  # (B, 3, h, w, 8, 8)
        rows = patches.permute(0, 2, 3, 4, 5, 1).flatten(3)  # (B, h, w, 192)
        mean, components, sizes = (t.to(pixels.device) for t in (self.mean, self.components, self.sizes))
        return ((rows - mean) @ components * sizes).permute(0, 3, 1, 2)

    def decode(self, codes: Tensor) -> Tensor:
        """The pixels nearest to what codes (B, CHANNELS, h, w) say: (B, 3, 8 h, 8 w)."""
        mean, components, sizes = (t.to(codes.device) for t in (self.mean, self.components, self.sizes))
        rows = codes.permute(0, 2, 3, 1) / sizes @ components.T + mean  # (B, h, w, 192)
        b, h, w, _ = rows.shape
        return rows.view(b, h, w, CELL, CELL, 3).permute(0, 5, 1, 3, 2, 4).reshape(b, 3, h * CELL, w * CELL)


def to_tensor(pixels: np.ndarray) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def to_grid(pixels: Tensor, columns: int) -> Image.Image:
    """(B, 3, H, W) in [-1, 1] -> one picture."""
    rows = pixels.float().clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    count, height, width, _ = rows.shape
    sheet = Image.new("RGB", (columns * width, -(-count // columns) * height))
    for k, row in enumerate(rows):
        sheet.paste(Image.fromarray(row), (k % columns * width, k // columns * height))
    return sheet


@cache
def codes(seed: int) -> Codes:
    """Those of the training set ``seed``."""
    scenes = np.stack([scene_at(k, seed)[1] for k in range(FITTED_ON)]).astype(np.float64) / 127.5 - 1
    n, side = len(scenes), scenes.shape[1] // CELL
    rows = (
        scenes.reshape(n, side, CELL, side, CELL, 3).transpose(0, 1, 3, 2, 4, 5).reshape(-1, CELL * CELL * 3)
    )
    mean = rows.mean(0)
    values, vectors = np.linalg.eigh(np.cov(rows - mean, rowvar=False, bias=True))
    values, vectors = values[::-1][:CHANNELS], vectors[:, ::-1][:, :CHANNELS]
    vectors = vectors * np.sign(vectors.sum(0))  # a component's sign is free: brighter is more
    deviations = np.sqrt(values)
    sizes = deviations**-0.5 / np.sqrt(deviations.mean())  # half whitened; the mean of all variances is 1
    return Codes(*(torch.from_numpy(np.ascontiguousarray(a)).float() for a in (mean, vectors, sizes)))
