"""Pictures of many shapes in batches of one shape: sizes, and an order that any step can be asked for alone.

Knows no files and no models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from PIL import Image

Size = tuple[int, int]  # (width, height)
MOST_RATIO = 2.0  # of the longer to the shorter side; what is longer loses its ends


def sizes(side: int, multiple: int) -> list[Size]:
    """Every size of multiples of ``multiple`` whose area is at most ``side`` squared and which is as high as
    that allows, or as wide (NovelAI's aspect ratio bucketing). Raises ``ValueError``."""
    if side < multiple or side % multiple:
        raise ValueError(f"side: got {side}; allowed: a multiple of {multiple}.")
    found = set()
    for width in range(multiple, int(side * MOST_RATIO) + 1, multiple):
        height = side * side // width // multiple * multiple
        if height and max(width, height) <= MOST_RATIO * min(width, height):
            found |= {(width, height), (height, width)}
    return sorted(found)


def bucket(size: Size, among: Sequence[Size]) -> Size:
    """The one whose shape is nearest, in the logarithm of the ratio; of several the largest."""

    def far(one: Size) -> tuple[float, int]:
        return abs(log(one[0] / one[1]) - log(size[0] / size[1])), -one[0] * one[1]

    return min(among, key=far)


def fitted(image: Image.Image, size: Size) -> Image.Image:
    """``image`` scaled until it covers ``size``, and the middle of it."""
    scale = max(size[0] / image.width, size[1] / image.height)
    wide, high = size[0] / scale, size[1] / scale
    left, top = (image.width - wide) / 2, (image.height - high) / 2
    box = (max(left, 0.0), max(top, 0.0), min(left + wide, image.width), min(top + high, image.height))
    return image.resize(size, Image.Resampling.LANCZOS, box)


@dataclass(frozen=True)
class Order:
    """Which rows each step learns from. ``groups`` are the rows of each bucket, a row as often as it is to be
    seen in an epoch; ``batch`` counts those of all processes."""

    groups: tuple[tuple[int, ...], ...]
    batch: int
    seed: int

    @property
    def epoch(self) -> int:
        """How many steps see every row."""
        return sum(-(-len(group) // self.batch) for group in self.groups)

    def rows(self, step: int) -> tuple[int, ...]:
        """(``batch``,) rows of one bucket: a pure function of seed and step.

        An epoch has every row; a bucket's last batch is filled up from its first ones.
        """
        epoch, place = divmod(step, self.epoch)
        chance = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
        batches: list[tuple[int, ...]] = []
        for group in self.groups:
            mixed = chance.permutation(group).tolist()
            full = -(-len(mixed) // self.batch) * self.batch
            cycled = [mixed[k % len(mixed)] for k in range(full)]
            batches += [tuple(cycled[k : k + self.batch]) for k in range(0, full, self.batch)]
        return batches[chance.permutation(len(batches))[place]]


def grouped(buckets: Sequence[Size], repeats: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """``Order.groups`` of rows that have those buckets and repeats."""
    groups: dict[Size, list[int]] = {}
    for row, (size, times) in enumerate(zip(buckets, repeats, strict=True)):
        groups.setdefault(size, []).extend([row] * times)
    return tuple(tuple(group) for _, group in sorted(groups.items()))
