"""What a tuning learns from: pictures as latents and words as states, coded once; batches of them.

Knows no losses. A batch is a pure function of seed and step, the same over any number of processes.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models import Parts
from training.data.buckets import Order, Size, bucket, fitted, grouped, sizes
from training.data.folder import Example, Folder
from training.data.opened import open_photograph, to_pixels
from training.loop import processes
from training.tuning.tuning import At, TuningConfig

DROPOUT = 0.1  # of captions, where the settings do not say it
OF_BATCHES = 1 << 62  # key of what a batch draws by chance, apart from the order's


class Drawn(NamedTuple):
    """One process's share of a batch. ``mirrored`` has 1 where the picture is."""

    rows: tuple[int, ...]
    mirrored: tuple[int, ...]
    x0: Tensor  # (B, C, h, w)
    words: Tensor  # (B, ...) what is said, or of no words
    t: Tensor  # (B,) timesteps, all alike
    noise: Tensor


@dataclass(frozen=True, eq=False)
class Material:
    """``codes`` of each row (1 or 2, C, h, w), the second mirrored; ``words`` (U + 1, ...) what is said, the
    last of no words; ``said`` which of them is said of each row; ``levels`` the model's."""

    codes: Sequence[Tensor]
    words: Tensor
    said: Sequence[int]
    order: Order
    dropout: float
    levels: int

    def draw(self, step: int, rank: int) -> Drawn:
        share = self.order.batch // processes().num_processes
        mine = slice(rank * share, (rank + 1) * share)
        rows = self.order.rows(step)
        chance = np.random.Generator(np.random.Philox(key=[self.order.seed, OF_BATCHES + step]))
        mirrored = (chance.random(len(rows)) * len(self.codes[rows[0]])).astype(int)
        dropped = chance.random(len(rows)) < self.dropout
        t = torch.from_numpy(chance.integers(self.levels, size=len(rows)))
        x0 = torch.stack([self.codes[row][m] for row, m in zip(rows, mirrored, strict=True)])
        noise = torch.from_numpy(chance.standard_normal(x0.shape, dtype=np.float32))
        words = [
            len(self.words) - 1 if drop else self.said[row] for row, drop in zip(rows, dropped, strict=True)
        ]
        return Drawn(
            rows[mine], tuple(mirrored[mine].tolist()), x0[mine].float(), self.words[words[mine]].float(),
            t[mine], noise[mine],
        )  # fmt: skip

    def batch(self, step: int, rank: int) -> tuple[Tensor, ...]:
        """What ``Denoising`` reads: x0, states, timesteps and noise."""
        drawn = self.draw(step, rank)
        return drawn.x0, drawn.words, drawn.t, drawn.noise


def share_of(config: TuningConfig) -> int:
    """Rows of one process. Raises ``ValueError`` where a batch cannot be shared."""
    count = processes().num_processes
    if config.batch % (count * config.accumulate):
        parts = f"{count} processes times accumulate {config.accumulate}"
        raise ValueError(f"batch: got {config.batch}; allowed: a multiple of {parts}.")
    return config.batch // count


def side_of(config: TuningConfig, parts: Parts) -> int:
    return config.side or min(parts.native_size)


def sides_of(config: TuningConfig, parts: Parts) -> Size:
    """(width, height) of what is drawn while it learns."""
    side = side_of(config, parts)
    return side, side


def sizes_of(config: TuningConfig, parts: Parts) -> list[Size]:
    """The buckets: multiples of what the VAE and the U-Net's levels halve."""
    halved = 2 ** (len(parts.unet.config.block_out_channels) - 1)
    return sizes(side_of(config, parts), parts.scale_factor * halved)


def pictures_of(examples: Sequence[Example], root: Path, among: Sequence[Size]) -> Iterable[Image.Image]:
    """Each in its bucket."""
    return (fitted(open_photograph(one.file, root), bucket(one.size, among)) for one in examples)


def coded(
    parts: Parts, images: Iterable[Image.Image], count: int, flip: bool
) -> Generator[At, None, list[Tensor]]:
    """Of each picture (1 or 2, C, h, w) on the CPU, the second mirrored."""
    found: list[Tensor] = []
    for image in images:
        pixels = to_pixels(image).float() / 127.5 - 1
        both = [pixels, pixels.flip(-1)] if flip else [pixels]
        found.append(torch.cat([parts.encode(one[None]) for one in both]).cpu().clone())
        yield At(len(found), count, "coding the pictures")
    return found


def states(parts: Parts, texts: Sequence[str]) -> tuple[Tensor, list[int]]:
    """(U + 1, L, D), a row a different text and one of no words; and the row of each of ``texts``."""
    different = list(dict.fromkeys(texts))
    read = [parts.encode_text([text]).hidden.cpu() for text in (*different, "")]
    place = {text: k for k, text in enumerate(different)}
    return torch.cat(read).clone(), [place[text] for text in texts]


def shortened(parts: Parts, text: str) -> str:
    """As many of the first words as the text encoder takes."""
    words = text.split()
    while parts.tokens(text) > parts.text_limit:
        words.pop()
        text = " ".join(words)
    return text


def material(
    config: TuningConfig, parts: Parts, found: Folder, dropout: float, seed: int
) -> Generator[At, None, Material]:
    """Of what was ``found``, the captions or the ``prompt`` of the settings said of it."""
    examples = found.examples
    share_of(config)
    among = sizes_of(config, parts)
    buckets = [bucket(one.size, among) for one in examples]
    said = [config.prompt if config.prompt is not None else one.caption for one in examples]
    words, rows = states(parts, [shortened(parts, text) for text in said])
    codes = yield from coded(parts, pictures_of(examples, found.root, among), len(examples), config.flip)
    order = Order(grouped(buckets, [one.repeats for one in examples]), config.batch, seed)
    return Material(codes, words, rows, order, dropout, len(parts.levels))
