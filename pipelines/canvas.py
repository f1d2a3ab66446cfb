"""The picture of an edit and where it may change, in numbers. Knows no networks, latents or samplers.

The canvas is the picture in full resolution, its margins added; the frame is what of it the model sees, and
at which size. Lengths are pixels of the canvas.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import interpolate, pad

from pipelines.edit import Edit
from pipelines.hints import sized
from pipelines.materials import Pictures
from pipelines.recipe import MAX_PIXELS, Recipe, RecipeError

WIDE = (64.0, 16.0, 4.0, 1.0)  # deviations of the blurs that carry colours into what is empty


class Frame(NamedTuple):
    """What the model sees: a box of the canvas, which may reach over its right and lower border by less than
    a latent, at a size that the model can draw."""

    left: int
    top: int
    right: int
    bottom: int
    width: int
    height: int

    @property
    def box(self) -> tuple[int, int]:
        """(height, width) on the canvas."""
        return self.bottom - self.top, self.right - self.left

    def cut(self, values: Tensor) -> Tensor:
        """(C, H, W) of the canvas -> (C, h, w) as the model sees it; over the border, the border goes on."""
        height, width = values.shape[-2:]
        inside = values[:, self.top : self.bottom, self.left : self.right]
        over = (0, max(0, self.right - width), 0, max(0, self.bottom - height))
        return scaled(pad(inside[None], over, mode="replicate"), (self.height, self.width))[0]

    def spread(self, drawn: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, H, W) of the box, at the canvas's resolution."""
        return scaled(drawn, self.box)


@dataclass(frozen=True, eq=False)
class Canvas:
    """``picture`` (H, W, 3 or 4) of bytes; ``mask`` (H, W) in [0, 1] is how much of each pixel is drawn anew,
    0 in all that must stay; ``new`` (H, W) is true where there was no picture; ``sketch`` (H, W, 4) of bytes
    are colours that drawing begins from."""

    picture: np.ndarray
    mask: np.ndarray
    new: np.ndarray
    sketch: np.ndarray | None = None

    @property
    def pixels(self) -> Tensor:
        """(3 or 4, H, W) in [-1, 1]."""
        return torch.from_numpy(self.picture).permute(2, 0, 1) / 127.5 - 1

    def sketched(self, pixels: Tensor, frame: Frame) -> Tensor:
        """``pixels`` (3, h, w) in [-1, 1], as the model sees them, under the colours of the sketch."""
        if self.sketch is None:
            return pixels
        given = torch.from_numpy(self.sketch).permute(2, 0, 1) / 255
        cover = given[3:]  # colours times it, or what is transparent would darken the edges when it is scaled
        over = frame.cut(torch.cat([(2 * given[:3] - 1) * cover, cover]))
        return (pixels * (1 - over[3:]) + over[:3]).clamp(-1, 1)


def canvas_of(edit: Edit, recipe: Recipe, pictures: Pictures) -> Canvas:
    """The canvas of ``edit``. Raises ``RecipeError`` where it cannot be."""
    picture = _found(pictures, edit.picture, "Init picture")
    painted = None if edit.mask is None else _of_size(pictures, edit.mask, "Mask", picture)
    sketch = (
        None if edit.sketch is None else _of_size(pictures, edit.sketch, "Sketch", picture).convert("RGBA")
    )
    left, top, right, bottom = edit.margins
    if edit.resize != "keep" and picture.size != (recipe.width, recipe.height):
        picture, painted, sketch = (
            one and _resized(one, recipe, edit.resize) for one in (picture, painted, sketch)
        )
    assert picture is not None
    width, height = picture.width + left + right, picture.height + top + bottom
    if width * height * recipe.count > MAX_PIXELS:
        most = f"at most {MAX_PIXELS} in all pictures together"
        raise RecipeError(f"Edit: got {recipe.count} pictures of {width} x {height} pixels; allowed: {most}.")
    around = ((top, bottom), (left, right))
    new = np.pad(np.zeros((picture.height, picture.width), dtype=bool), around, constant_values=True)
    mask = (
        np.ones((picture.height, picture.width), np.float32)
        if edit.everywhere
        else _shade(painted, picture.size)
    )
    mask = 1 - mask if edit.invert and not edit.everywhere else mask
    if sketch is not None:
        mask = np.maximum(mask, np.asarray(sketch.getchannel("A"), np.float32) / 255)
    mask = np.pad(mask, around)
    mask = np.maximum(_shaped(mask, edit), feathered(new.astype(np.float32), edit.feather))
    if not mask.any():
        raise RecipeError("Mask: got one that covers nothing; allowed: one with a place to draw.")
    over = None if sketch is None else np.pad(np.asarray(sketch), (*around, (0, 0)))
    return Canvas(_extended(np.asarray(picture), around), mask, new, over)


def _of_size(pictures: Pictures, name: str, label: str, picture: Image.Image) -> Image.Image:
    found = _found(pictures, name, label)
    if found.size != picture.size:
        got, wanted = ("{} x {}".format(*one.size) for one in (found, picture))
        raise RecipeError(f"{label}: got one of {got} pixels; allowed: the {wanted} of its picture.")
    return found


def _found(pictures: Pictures, name: str, label: str) -> Image.Image:
    try:
        return pictures[name]
    except KeyError:
        told = f"got {name[:12]}…, which is not here; allowed: one that is. Give it again."
    except ValueError as error:
        told = str(error)
    raise RecipeError(f"{label}: {told}")


def _resized(picture: Image.Image, recipe: Recipe, resize: str) -> Image.Image:
    """In the drawing's size, with its transparency."""
    if not picture.has_transparency_data:
        return sized(picture, recipe.width, recipe.height, resize)
    whole = picture.convert("RGBA")
    made = sized(whole.convert("RGB"), recipe.width, recipe.height, resize).convert("RGBA")
    made.putalpha(sized(whole.getchannel("A"), recipe.width, recipe.height, resize).convert("L"))
    return made


def _extended(picture: np.ndarray, around: tuple[tuple[int, int], tuple[int, int]]) -> np.ndarray:
    """With margins that continue its border, opaque."""
    made = np.pad(picture, (*around, (0, 0)), mode="edge")
    if made.shape[2] == 4:
        made[..., 3] = np.pad(picture[..., 3], around, constant_values=255)
    return made


def _shade(painted: Image.Image | None, size: tuple[int, int]) -> np.ndarray:
    """(H, W) in [0, 1]: white is 1; black and transparent are 0."""
    if painted is None:
        return np.zeros(size[::-1], np.float32)
    return np.asarray(sized(painted, *size, "stretch").convert("L"), np.float32) / 255


def _shaped(mask: np.ndarray, edit: Edit) -> np.ndarray:
    """Grown or narrowed, and feathered: only reckoned near the mask, as pictures may be large."""
    if not mask.any() or bool((mask == 1).all()):
        return mask
    reach = max(edit.grow, 0) + 2 * edit.feather + 2
    near = tuple(
        slice(max(int(marked[0]) - reach, 0), int(marked[-1]) + reach + 1)
        for marked in (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    )
    made, part = mask.copy(), mask[near]
    if edit.grow:
        rank = ndimage.maximum_filter if edit.grow > 0 else ndimage.minimum_filter
        part = rank(part, 2 * abs(edit.grow) + 1)
    made[near] = feathered(part, edit.feather)
    return made


def feathered(mask: np.ndarray, reach: int) -> np.ndarray:
    """``mask`` (H, W) with a slope around it that is exactly 0 from ``reach`` pixels on.

    Widened by half of that, then blurred by as much in two passes, which makes the slope smooth at both ends.
    """
    if reach == 0 or not mask.any():
        return mask
    near, half = ndimage.maximum_filter(mask, 2 * reach - 1), reach // 2
    wide = ndimage.maximum_filter(mask, 2 * (reach - half) + 1)
    blurred = ndimage.uniform_filter(ndimage.uniform_filter(wide.astype(np.float64), half + 1), half + 1)
    sloped = np.minimum(blurred, near).round(6).astype(np.float32)  # running sums leave dust where 0 must be
    return np.maximum(mask, sloped)


def frame_of(canvas: Canvas, recipe: Recipe, edit: Edit, multiple: int) -> Frame:
    """All of the canvas, or the mask with its padding in the drawing's proportions, as large as Width and
    Height allow: whole multiples of ``multiple``."""
    height, width = canvas.mask.shape
    left, top, right, bottom = 0, 0, width, height
    if edit.area == "masked":
        rows, columns = (np.flatnonzero(canvas.mask.any(axis)) for axis in (1, 0))
        left, right = _widened(columns[0], columns[-1] + 1, edit.padding, 0, width)
        top, bottom = _widened(rows[0], rows[-1] + 1, edit.padding, 0, height)
        wanted = recipe.width / recipe.height
        left, right = _widened(left, right, 0, round((bottom - top) * wanted), width)
        top, bottom = _widened(top, bottom, 0, round((right - left) / wanted), height)
    scale = min(recipe.width / (right - left), recipe.height / (bottom - top))
    sides = [-(-(side * scale - 1e-6) // multiple) * multiple for side in (right - left, bottom - top)]
    return Frame(left, top, left + round(sides[0] / scale), top + round(sides[1] / scale), *map(int, sides))


def _widened(low: int, high: int, padding: int, least: int, most: int) -> tuple[int, int]:
    """An interval padded and made ``least`` long, moved or cut to lie within [0, most]."""
    low, high = int(low) - padding, int(high) + padding
    missing = max(0, least - (high - low))
    low, high = low - missing // 2, high + missing - missing // 2
    if low < 0:
        low, high = 0, high - low if missing else high
    if high > most:
        low, high = low - (high - most) if missing else low, most
    return max(0, low), min(high, most)


def scaled(values: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) at another (height, width); itself where that is its own."""
    if values.shape[-2:] == size:
        return values
    return interpolate(values, size, mode="bicubic", antialias=True)


def filled(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(C, H, W) with the colours around carried into ``mask`` (H, W), by blurs from wide to narrow."""
    known = (mask == 0).astype(np.float32)
    if not known.any():
        return np.zeros_like(pixels)
    made = np.broadcast_to((pixels * known).sum((1, 2), keepdims=True) / known.sum(), pixels.shape)
    for sigma in WIDE:
        weight = ndimage.gaussian_filter(known, sigma)
        colours = np.stack([ndimage.gaussian_filter(one * known, sigma) for one in pixels])
        near = np.minimum(1, 4 * weight)  # where nothing is near, what the wider blur said stays
        made = made + near * (colours / np.maximum(weight, 1e-6) - made)
    return np.where(mask > 0, made, pixels).astype(np.float32)
