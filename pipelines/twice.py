"""The story of hires fix: draw, enlarge, draw over it. Asks for everything, runs nothing."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from models import Parts
from pipelines.edit import Hires, steps_run
from pipelines.editing import begin_of, part_of
from pipelines.materials import Materials
from pipelines.recipe import Recipe
from pipelines.requests import Decode, EncodeImage, Pipeline, Request, Step
from pipelines.side_by_side import Drawing
from pipelines.text_to_image import check_drawing, latents_of

AGAIN = 0x9E3779B9  # salt: the second pass's noise is not the first's


def check_twice(recipe: Recipe, hires: Hires, parts: Parts, materials: Materials) -> None:
    """What only the model knows of either pass. Raises ``RecipeError``."""
    check_drawing(recipe, parts, materials)
    check_drawing(second_of(recipe, hires, parts), parts, materials)


def second_of(recipe: Recipe, hires: Hires, parts: Parts) -> Recipe:
    """The drawing of the second pass. Raises ``RecipeError``."""
    steps = hires.steps or recipe.steps
    run = steps_run(hires.strength, steps)
    levels = recipe.levels if steps == recipe.steps else None
    if recipe.hires_levels is not None:
        steps, levels = run, recipe.hires_levels
    multiple = parts.size_multiple
    width, height = (
        round(side * hires.scale / multiple) * multiple for side in (recipe.width, recipe.height)
    )
    whole = recipe.model_copy(update={"steps": steps, "levels": levels})
    return part_of(whole, run, parts, width, height)


def drawn_twice(recipe: Recipe, hires: Hires, parts: Parts, materials: Materials) -> Pipeline:
    """The pictures of ``recipe`` after both passes: (B, 3, H, W)."""
    second = second_of(recipe, hires, parts)
    total = recipe.steps + second.steps
    begin = yield from begin_of(recipe, parts)
    latents = yield from _told(latents_of(recipe, parts, materials, begin), 0, total)
    larger = yield from _enlarged(latents, hires.upscaler, second, parts)
    begin = yield from begin_of(second, parts)
    begin = replace(begin, latents=larger, salt=AGAIN)
    latents = yield from _told(latents_of(second, parts, materials, begin), recipe.steps, total)
    return (yield Decode(latents))


def _enlarged(latents: Tensor, upscaler: str, to: Recipe, parts: Parts) -> Generator[Request, Any, Tensor]:
    """(B, C, h, w) -> (B, C, h', w'), those of the drawing ``to``."""
    if upscaler == "latent":
        size = (to.height // parts.scale_factor, to.width // parts.scale_factor)
        return interpolate(latents, size, mode="bilinear")
    pixels: Tensor = yield Decode(latents)
    return (yield EncodeImage(torch.stack([lanczos(one, to.width, to.height) for one in pixels.cpu()])))


def lanczos(pixels: Tensor, width: int, height: int) -> Tensor:
    """(3, H, W) in [-1, 1], resampled in float32."""
    layers = [
        Image.fromarray(layer).resize((width, height), Image.Resampling.LANCZOS) for layer in pixels.numpy()
    ]
    return torch.from_numpy(np.stack([np.asarray(layer) for layer in layers])).clamp(-1, 1)


def _told(drawing: Drawing, before: int, total: int) -> Drawing:
    """``drawing``, whose steps come after ``before`` others."""
    answer = None
    while True:
        try:
            request = drawing.send(answer)
        except StopIteration as end:
            return end.value
        if isinstance(request, Step):
            request = Step(before + request.index, total, request.x0)
        answer = yield request
