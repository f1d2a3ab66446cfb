"""A family's learner and its data as a task of the loop."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from training.data.pictures import Pictures
from training.families.family import Learner

SHOWN = 5  # rows of the picture that shows the progress, one column a class
SHOWN_SEED = 1_000_000


def to_range(pixels: Tensor) -> Tensor:
    """uint8 -> [-1, 1]."""
    return pixels.float() / 127.5 - 1


def to_grid(drawn: Tensor, columns: int) -> Image.Image:
    """(B, C, H, W) in [-1, 1] as one picture, row by row, a pixel apart."""
    rows = functional.pad(drawn.float().cpu(), (0, 1, 0, 1)).unflatten(
        0, (-1, columns)
    )  # (R, columns, C, H, W)
    pixels = ((rows.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 3, 1, 4, 2)
    grid = pixels.flatten(2, 3).flatten(0, 1).numpy()  # (R H, columns W, C)
    return Image.fromarray(grid if grid.shape[2] == 3 else grid[..., 0])


class Lesson:
    """One batch of all processes is drawn for each step; each process takes its share of the rows."""

    def __init__(
        self, learner: Learner, pictures: Pictures, batch: int, seed: int, processes: int = 1
    ) -> None:
        if batch % processes:
            raise ValueError(f"batch: got {batch}; allowed: a multiple of the {processes} processes.")
        self.module, self.pictures, self.seed = learner, pictures, seed
        self.size, self.share = batch, batch // processes

    def batch(self, step: int, rank: int) -> tuple[Tensor, Tensor, Tensor]:
        chance = np.random.Generator(np.random.Philox(key=[self.seed, step]))
        mine = slice(rank * self.share, (rank + 1) * self.share)
        rows = torch.from_numpy(chance.integers(len(self.pictures.train), size=self.size)[mine])
        seeds = torch.from_numpy(chance.integers(2**62, size=self.size)[mine])
        return to_range(self.pictures.train[rows]), self.pictures.train_labels[rows], seeds

    def sample(self) -> Image.Image:
        classes = len(self.pictures.classes)
        label = torch.arange(classes).repeat(SHOWN).to(next(self.module.parameters()).device)
        return to_grid(self.module.draw(label, SHOWN_SEED), classes)
