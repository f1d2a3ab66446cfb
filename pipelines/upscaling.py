"""The story of an upscale: in overlapping tiles, whose seams blend. Asks for each tile, runs nothing."""

from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models.upscaler import Upscaler
from pipelines.materials import Materials
from pipelines.recipe import MAX_PIXELS, Recipe, RecipeError
from pipelines.requests import Enlarge, Pipeline, Prepare
from pipelines.tiles import Grid
from pipelines.twice import lanczos
from pipelines.upscale import PLAIN, Upscale

SIDE, OVERLAP = 256, 32  # pixels of a tile before it is enlarged
MOST_MADE = 4 * MAX_PIXELS  # of what an upscaler makes before it is resampled


def check_upscale(upscale: Upscale, materials: Materials) -> None:
    """What only the picture and the upscaler know. Raises ``RecipeError``."""
    _size(_picture(upscale, materials), upscale, _upscaler(upscale, materials))


def upscaled(recipe: Recipe, upscale: Upscale, materials: Materials) -> Pipeline:
    """(1, 3 or 4, H, W) in [-1, 1]. Transparency is resampled."""
    upscaler = _upscaler(upscale, materials)
    picture: Image.Image = yield Prepare(partial(_picture, upscale, materials))
    width, height = _size(picture, upscale, upscaler)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 127.5 - 1  # (3 or 4, h, w)
    made = pixels[:3]
    if upscaler is not None:
        grid = Grid((picture.height, picture.width), SIDE, OVERLAP)
        tiles: list[Tensor] = []
        for rows, columns in grid.boxes:
            tiles.append((yield Enlarge(upscaler, pixels[None, :3, rows, columns])))
        made = Grid(grid.size, SIDE, OVERLAP, upscaler.scale).joined(tiles)[0]
    return (yield Prepare(partial(_resampled, made, pixels[3:], width, height)))


def _resampled(made: Tensor, alpha: Tensor, width: int, height: int) -> Tensor:
    """(3, h, w) and (0 or 1, h', w') -> (1, 3 or 4, height, width)."""
    layers = [lanczos(made, width, height), *([lanczos(alpha, width, height)] if len(alpha) else [])]
    return torch.cat(layers)[None]


def _picture(upscale: Upscale, materials: Materials) -> Image.Image:
    try:
        return materials.pictures[upscale.picture]
    except KeyError:
        got = f"got {upscale.picture[:12]}…, which is not here"
    except ValueError as error:
        got = str(error)
    raise RecipeError(f"Upscale: {got}; allowed: a picture that is. Give it again.")


def _upscaler(upscale: Upscale, materials: Materials) -> Upscaler | None:
    """None where pixels are only resampled."""
    if upscale.upscaler == PLAIN:
        return None
    try:
        if materials.upscaler is None:
            raise ValueError(
                f"got {upscale.upscaler[:60]!r}; allowed: {PLAIN}, as there is no folder of them."
            )
        return materials.upscaler(upscale.upscaler)
    except ValueError as error:
        raise RecipeError(f"Upscaler: {error}") from None


def _size(picture: Image.Image, upscale: Upscale, upscaler: Upscaler | None) -> tuple[int, int]:
    """(width, height) of what results."""
    width, height = (round(side * upscale.scale) for side in picture.size)
    made = picture.width * picture.height * (upscaler.scale**2 if upscaler else 1)
    if width * height > MAX_PIXELS or made > MOST_MADE:
        least = min((MAX_PIXELS / (picture.width * picture.height)) ** 0.5, upscale.scale)
        got = f"got {upscale.scale:g} of {picture.width} x {picture.height} pixels"
        most = f"a result of at most {MAX_PIXELS} pixels, which is {least:.2f} times"
        raise RecipeError(f"Scale: {got}; allowed: {most}, and {MOST_MADE} before it is resampled.")
    return width, height
