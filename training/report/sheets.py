"""Pictures of pictures: grids of samples and film strips, enlarged so that pixels stay pixels."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

WIDE = 256  # pixels of a grid
GAP = 1


def sheet(x: Tensor, columns: int, wide: int = WIDE) -> Image.Image:
    """Pictures (n, C, S, S) in [-1, 1], ``columns`` to a row, at least ``wide`` pixels wide."""
    n, channels, side, _ = x.shape
    x = ((x.float().clamp(-1, 1) + 1) * 127.5).round().byte().cpu()
    x = F.pad(x, (0, GAP, 0, GAP), value=255)
    rows = -(-n // columns)
    x = torch.cat([x, torch.full((rows * columns - n, *x.shape[1:]), 255, dtype=torch.uint8)])
    cell = side + GAP
    x = x.view(rows, columns, channels, cell, cell).permute(0, 3, 1, 4, 2)  # (rows, cell, columns, cell, C)
    pixels = x.reshape(rows * cell, columns * cell, channels)[:-GAP, :-GAP].numpy()
    image = Image.fromarray(np.ascontiguousarray(pixels.repeat(3, 2) if channels == 1 else pixels))
    scale = max(1, round(wide / image.width))
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def film(frames: Tensor) -> Image.Image:
    """(frames, B, C, S, S): a row for each picture, its frames from left to right."""
    count = len(frames)
    return sheet(frames.transpose(0, 1).flatten(0, 1), count, wide=48 * count)
