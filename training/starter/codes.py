"""What the starter's latents are: principal components of 16 x 16 patches of its scenes, half whitened.

They are linear in the pixels, so an object has one pattern of codes on every background but for its edge, and
the first three are little more than a thumbnail. Knows no networks.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from training.data.scenes import SIDE, scene_at

PIXELS = 16  # along the edge of a patch, which is one place of the latents
EDGE = SIDE // PIXELS  # places along the edge of a scene
CHANNELS = 32
FITTED_ON = 2400  # scenes


@dataclass(frozen=True, eq=False)
class Codes:
    """``mean`` (768,) of the patches, and their components (768, CHANNELS) times what makes a code's size."""

    mean: Tensor
    components: Tensor  # orthonormal
    sizes: Tensor  # (CHANNELS,) codes are components times these

    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> codes (B, CHANNELS, H / 16, W / 16), of unit variance over all."""
        patches = pixels.unfold(2, PIXELS, PIXELS).unfold(3, PIXELS, PIXELS)  # (B, 3, h, w, 16, 16)
        rows = patches.permute(0, 2, 3, 4, 5, 1).flatten(3)  # (B, h, w, 768)
        mean, components, sizes = (t.to(pixels.device) for t in (self.mean, self.components, self.sizes))
        return ((rows - mean) @ components * sizes).permute(0, 3, 1, 2)

    def decode(self, codes: Tensor) -> Tensor:
        """The pixels nearest to what codes (B, CHANNELS, h, w) say: (B, 3, 16 h, 16 w)."""
        mean, components, sizes = (t.to(codes.device) for t in (self.mean, self.components, self.sizes))
        rows = codes.permute(0, 2, 3, 1) / sizes @ components.T + mean  # (B, h, w, 768)
        b, h, w, _ = rows.shape
        pixels = rows.view(b, h, w, PIXELS, PIXELS, 3).permute(0, 5, 1, 3, 2, 4)
        return pixels.reshape(b, 3, h * PIXELS, w * PIXELS)


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
    patches = scenes.reshape(-1, EDGE, PIXELS, EDGE, PIXELS, 3).transpose(0, 1, 3, 2, 4, 5)
    rows = patches.reshape(-1, PIXELS * PIXELS * 3)
    mean = rows.mean(0)
    values, vectors = np.linalg.eigh(np.cov(rows - mean, rowvar=False, bias=True))
    values, vectors = values[::-1][:CHANNELS], vectors[:, ::-1][:, :CHANNELS]
    vectors = vectors * np.sign(vectors.sum(0))  # a component's sign is free: brighter is more
    deviations = np.sqrt(values)
    sizes = deviations**-0.5 / np.sqrt(deviations.mean())  # half whitened; the mean of all variances is 1
    return Codes(*(torch.from_numpy(np.ascontiguousarray(a)).float() for a in (mean, vectors, sizes)))
