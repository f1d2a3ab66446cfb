"""Large pictures in overlapping tiles: every question about one is asked of its tiles, the answers joined.

The drawing itself is one (MultiDiffusion, arXiv:2302.08113, eq. 5): one noise, one sampler, one estimate of
x0 at each step, so that no tile knows another's border. Knows no samplers and runs nothing.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import ceil
from typing import Any, TypeAlias

import torch
from torch import Tensor

from adapters import Hints
from pipelines.edit import Tiles
from pipelines.requests import Decode, Denoise, EncodeImage, Pipeline, Request

VAE_SIDE = 1024  # pixels: the VAE's tiles are no smaller, as it looks at the whole for its colours

Box: TypeAlias = tuple[slice, slice]
"""(rows, columns)."""


@dataclass(frozen=True)
class Grid:
    """Tiles of ``side`` latents over ``size`` (height, width) of them, each over the next by ``overlap`` at
    least. ``unit`` pixels are a latent: 1 for the latents themselves."""

    size: tuple[int, int]
    side: int
    overlap: int
    unit: int = 1

    @property
    def boxes(self) -> tuple[Box, ...]:
        """In units."""
        rows, columns = (_spans(length, self.side, self.overlap) for length in self.size)
        return tuple((_times(a, self.unit), _times(b, self.unit)) for a, b in product(rows, columns))

    def joined(self, tiles: Sequence[Tensor]) -> Tensor:
        """(B, C, H, W) of (B, C, h, w) each: their mean, where each counts less towards its border."""
        height, width = (side * self.unit for side in self.size)
        total = tiles[0].new_zeros(*tiles[0].shape[:2], height, width)
        weight = tiles[0].new_zeros(height, width)
        for tile, (rows, columns) in zip(tiles, self.boxes, strict=True):
            share = torch.outer(self._window(rows, height), self._window(columns, width)).to(tile)
            total[:, :, rows, columns] += tile * share
            weight[rows, columns] += share
        return total / weight

    def _window(self, span: slice, length: int) -> Tensor:
        """(n,): 1, and a straight slope to 0 over the overlap towards each border that has a neighbour."""
        place = torch.arange(span.stop - span.start) + 0.5
        ends = [place if span.start > 0 else None, place.flip(0) if span.stop < length else None]
        slopes = [(end / max(self.overlap * self.unit, 1)).clamp(max=1) for end in ends if end is not None]
        return torch.stack([torch.ones_like(place), *slopes]).amin(0)


def _times(span: slice, unit: int) -> slice:
    return slice(span.start * unit, span.stop * unit)


def _spans(length: int, side: int, overlap: int) -> list[slice]:
    """Evenly placed, all of one length, so that they can share a call."""
    if length <= side:
        return [slice(0, length)]
    count = ceil((length - overlap) / (side - overlap))
    starts = [round(k * (length - side) / (count - 1)) for k in range(count)]
    return [slice(start, start + side) for start in starts]


def in_tiles(told: Pipeline, tiles: Tiles, factor: int) -> Pipeline:
    """``told``, with what it asks about more than a tile asked in tiles; ``factor`` pixels are a latent."""
    side, overlap = tiles.side // factor, tiles.overlap // factor
    vae = max(side, VAE_SIDE // factor)
    answer = None
    while True:
        try:
            request = told.send(answer)
        except StopIteration as end:
            return end.value
        match request:
            case tuple():
                answer = yield from _denoised(request, side, overlap, factor)
            case EncodeImage(pixels):
                size = (pixels.shape[-2] // factor, pixels.shape[-1] // factor)
                boxes = Grid(size, vae, overlap, factor).boxes
                parts = [replace(request, pixels=pixels[:, :, y, x]) for y, x in boxes]
                answer = yield from _each(parts, Grid(size, vae, overlap))
            case Decode(latents):
                grid = Grid((latents.shape[-2], latents.shape[-1]), vae, overlap)
                parts = [
                    replace(request, latents=latents[:, :, rows, columns]) for rows, columns in grid.boxes
                ]
                answer = yield from _each(parts, replace(grid, unit=factor))
            case _:
                answer = yield request


def _each(parts: Sequence[Request], grid: Grid) -> Generator[Request, Any, Tensor]:
    """The answers to ``parts``, one after the other, joined."""
    answers: list[Tensor] = []
    for part in parts:
        answers.append((yield part))
    return grid.joined(answers)


def _denoised(
    asks: tuple[Denoise, ...], side: int, overlap: int, factor: int
) -> Generator[Request, Any, tuple[Tensor, ...]]:
    """The answers to ``asks``, whose tiles go out together."""
    grids = [Grid((ask.x.shape[-2], ask.x.shape[-1]), side, overlap) for ask in asks]
    parts = [[_part(ask, box, factor) for box in grid.boxes] for ask, grid in zip(asks, grids, strict=True)]
    answers: tuple[Tensor, ...] = yield tuple(part for each in parts for part in each)
    rest = iter(answers)
    return tuple(grid.joined([next(rest) for _ in each]) for grid, each in zip(grids, parts, strict=True))


def _part(ask: Denoise, box: Box, factor: int) -> Denoise:
    rows, columns = box
    beside = ask.beside[:, :, rows, columns] if ask.beside is not None else None
    return replace(ask, x=ask.x[:, :, rows, columns], beside=beside, hints=_cut(ask.hints, box, factor))


def _cut(hints: Hints, box: Box, factor: int) -> Hints:
    """Those that follow the same part of their pictures, which have the drawing's size."""
    rows, columns = (_times(one, factor) for one in box)
    return tuple(hint._replace(picture=hint.picture[:, rows, columns]) for hint in hints)
