"""The story of an edit: see, encode, draw what may change, put it back. Asks for everything, runs nothing."""

from collections.abc import Generator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import max_pool2d

from models import Parts
from pipelines.begin import FROM_NOISE, Begin, salted
from pipelines.canvas import Canvas, Frame, canvas_of, filled, frame_of
from pipelines.composite import composite
from pipelines.edit import Edit, steps_run
from pipelines.hints import sized
from pipelines.influences import numbered
from pipelines.materials import Materials
from pipelines.recipe import Recipe
from pipelines.region import Region
from pipelines.regions import shade
from pipelines.requests import Decode, EncodeImage, Pipeline, Prepare, Request
from pipelines.text_to_image import check_drawing, latents_of
from schedulers import first_noise

BEYOND = 0x85EBCA6B  # salt: the noise of what a mask covers is not that of the drawing's beginning


def edited(recipe: Recipe, edit: Edit, parts: Parts, materials: Materials) -> Pipeline:
    """The pictures of ``recipe``, drawn over the one of ``edit``: (B, 3 or 4, H, W) of its own size.

    Raises ``RecipeError`` before it asks a network.
    """
    canvas, view = yield from prepared(recipe, edit, parts, materials)
    if view is None:
        return (yield Prepare(lambda: canvas.pixels.repeat(recipe.count, 1, 1, 1)))
    begin = yield from begun(view, edit, parts)
    latents = yield from latents_of(view.recipe, parts, view.materials, begin)
    drawn: Tensor = yield Decode(latents)
    return (yield Prepare(lambda: composite(drawn, canvas, view.frame, edit.feather, edit.soft)))


def prepared(
    recipe: Recipe, edit: Edit, parts: Parts, materials: Materials
) -> Generator[Prepare, Any, "tuple[Canvas, View | None]"]:
    """The canvas, and what the model sees of it if steps are run. Raises ``RecipeError`` for what only the
    model and the pictures know."""
    canvas: Canvas = yield canvas_asked(recipe, edit, materials)
    if steps_run(edit.strength, recipe.steps) == 0:
        return canvas, None
    view: View = yield Prepare(partial(view_of, recipe, edit, parts, materials, canvas))
    yield Prepare(partial(check_drawing, view.recipe, parts, view.materials), words=True)
    return canvas, view


def canvas_asked(recipe: Recipe, edit: Edit, materials: Materials) -> Prepare:
    """Asks for the canvas, which several pictures of one edit share."""
    key = (edit, recipe.width, recipe.height, recipe.count)
    return Prepare(partial(canvas_of, edit, recipe, materials.pictures), key)


class View(NamedTuple):
    """What the model sees of an edit: the drawing, its pictures, and all that it begins from."""

    frame: Frame
    recipe: Recipe  # of the drawing
    materials: Materials
    pixels: Tensor  # (3, h, w) in [-1, 1]
    mask: Tensor  # (1, h, w)


def view_of(recipe: Recipe, edit: Edit, parts: Parts, materials: Materials, canvas: Canvas) -> View:
    """Of an edit that runs steps. Raises ``RecipeError``."""
    frame = frame_of(canvas, recipe, edit, parts.size_multiple)
    part = part_of(recipe, steps_run(edit.strength, recipe.steps), parts, frame.width, frame.height)
    drawing, materials = framed(part, edit, materials, canvas, frame)
    pixels = frame.cut(canvas.pixels[:3]).clamp(-1, 1)
    mask = frame.cut(torch.from_numpy(canvas.mask)[None])
    empty = mask if edit.content == "fill" else frame.cut(torch.from_numpy(canvas.new).float()[None])
    if not edit.everywhere and bool((empty > 0).any()):
        pixels = torch.from_numpy(filled(pixels.numpy(), empty[0].numpy()))
    return View(frame, drawing, materials, canvas.sketched(pixels, frame), mask)


def part_of(recipe: Recipe, run: int, parts: Parts, width: int, height: int) -> Recipe:
    """The drawing of the last ``run`` steps of ``recipe``, at another size. Raises ``RecipeError``."""
    levels = tuple((level.alpha, level.sigma) for level in recipe.path(parts.table)[-run - 1 :])
    size = {"width": width, "height": height}
    whole = {"edit": None, "hires": None, "hires_levels": None}
    return recipe.model_copy(update={"steps": run, "levels": levels} | whole | size)


def framed(
    recipe: Recipe, edit: Edit, materials: Materials, canvas: Canvas, frame: Frame
) -> tuple[Recipe, Materials]:
    """With its ControlNets' pictures and its regions' masks laid over the canvas, and cut as the model sees
    it. Regions that it does not see go. Raises ``RecipeError``."""
    height, width = canvas.mask.shape
    cut: dict[str, Image.Image] = {}
    controls = list(recipe.controls)
    for k, control in enumerate(controls):
        if control.picture in materials.pictures:
            whole = sized(materials.pictures[control.picture], width, height, control.resize)
            cut[f"{k}"] = whole.crop(frame[:4])
            controls[k] = control.model_copy(update={"picture": f"{k}", "resize": "stretch"})
    regions = _framed_regions(recipe, edit, materials, canvas, frame, cut)
    if cut:
        kept = {one.picture for one in recipe.references if one.picture in materials.pictures}
        materials = replace(materials, pictures=cut | {name: materials.pictures[name] for name in kept})
    return recipe.model_copy(update={"controls": tuple(controls), "regions": regions}), materials


def _framed_regions(
    recipe: Recipe,
    edit: Edit,
    materials: Materials,
    canvas: Canvas,
    frame: Frame,
    cut: dict[str, Image.Image],
) -> tuple[Region, ...]:
    """Their masks, which are of the picture, go on into its margins; they come into ``cut``."""
    inside = np.argwhere(~canvas.new)
    (top, left), (bottom, right) = inside.min(0), inside.max(0) + 1
    height, width = canvas.mask.shape
    around = ((top, height - bottom), (left, width - right))
    found = []
    for number, region in enumerate(recipe.regions, 1):
        with numbered("regions", number):
            size = (int(right - left), int(bottom - top))
            mask = shade(
                region, materials.pictures, size, "stretch" if edit.resize == "keep" else edit.resize
            )
        whole = np.pad(mask, around, mode="edge")
        seen = frame.cut(torch.from_numpy(whole)[None])[0].clamp(0, 1)
        if bool((seen > 0).any()):
            name = f"region {number}"
            cut[name] = Image.fromarray((seen.numpy() * 255).round().astype(np.uint8))
            found.append(region.model_copy(update={"mask": name}))
    return tuple(found)


def begun(view: View, edit: Edit, parts: Parts) -> Generator[Request, Any, Begin]:
    """What the drawing begins with, as the model sees it."""
    mask, shown = view.mask, [view.pixels]
    if parts.inpainting:  # 0 is the grey that the model was trained to see where it may draw
        shown.append(view.pixels * (mask < 0.5))
    encoded: Tensor = yield EncodeImage(torch.stack(shown))
    free = max_pool2d(mask.clamp(0, 1)[None], parts.scale_factor).to(encoded)  # (1, 1, h, w) of latents
    covered = (free >= 0.5).to(encoded)
    latents = _contents(encoded[:1], edit.content, covered, view.recipe)
    extra = torch.cat([covered, encoded[1:]], 1) if parts.inpainting else None
    if edit.everywhere or (parts.inpainting and not edit.soft):
        return Begin(latents, None, extra)
    return Begin(latents, free if edit.soft else covered, extra)


def _contents(latents: Tensor, content: str, covered: Tensor, recipe: Recipe) -> Tensor:
    """(1 or B, C, h, w): what the drawing begins with, where ``covered`` (1, 1, h, w) is 1."""
    if content in ("original", "fill"):
        return latents
    if content == "nothing":
        return latents * (1 - covered)
    shape = (latents.shape[1], latents.shape[2], latents.shape[3])
    noise = first_noise([salted(one.seed, BEYOND) for one in recipe.each()], shape)
    return latents * (1 - covered) + noise.to(latents) * covered


def begin_of(recipe: Recipe, parts: Parts) -> Generator[Request, Any, Begin]:
    """What a drawing without a picture begins with; an inpainting model may draw all of it, and sees grey."""
    if not parts.inpainting:
        return FROM_NOISE
    grey: Tensor = yield EncodeImage(torch.zeros(1, 3, recipe.height, recipe.width))
    return Begin(extra=torch.cat([torch.ones_like(grey[:, :1]), grey], 1))
