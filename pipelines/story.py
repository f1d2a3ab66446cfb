"""The story of any recipe, whatever it begins with. Asks for everything, runs nothing."""

from collections.abc import Generator
from dataclasses import replace
from functools import partial
from typing import Any

from models import Parts
from pipelines.editing import begin_of, edited, prepared
from pipelines.materials import Materials
from pipelines.recipe import Recipe, RecipeError
from pipelines.requests import Decode, EncodeImage, Pipeline, Prepare
from pipelines.text_to_image import NOTHING, check_drawing, latents_of
from pipelines.texts import worded
from pipelines.tiles import in_tiles
from pipelines.twice import check_twice, drawn_twice, second_of
from pipelines.upscaling import check_upscale, upscaled


def story(recipe: Recipe, parts: Parts, materials: Materials = NOTHING) -> Pipeline:
    """The pictures of ``recipe`` as a generator of requests, with what it names of ``materials``.

    Raises ``RecipeError`` at once; of an edit or an upscale, whose pictures may be large, once it has looked
    at them.
    """
    _check_tiles(recipe, parts)
    if recipe.edit is None and recipe.upscale is None:
        check(recipe, parts, materials)
    told = _told(recipe, parts, materials)
    if recipe.tiles is not None:
        return in_tiles(told, recipe.tiles, parts.scale_factor)
    return told if recipe.seamless == "none" else _seamless(told, recipe.seamless)


def check(recipe: Recipe, parts: Parts, materials: Materials = NOTHING) -> None:
    """What only the model and its materials know. Raises ``RecipeError``."""
    checks, answer = checking(recipe, parts, materials), None
    while True:
        try:
            answer = checks.send(answer).make()
        except StopIteration:
            return


def checking(recipe: Recipe, parts: Parts, materials: Materials = NOTHING) -> Generator[Prepare, Any, None]:
    """What ``check`` does, as requests."""
    _check_tiles(recipe, parts)
    if recipe.upscale is not None:
        yield Prepare(partial(check_upscale, recipe.upscale, materials))
    elif recipe.edit is not None:
        yield from prepared(recipe, recipe.edit, parts, materials)
    elif recipe.hires is not None:
        yield Prepare(partial(check_twice, recipe, recipe.hires, parts, materials), words=True)
    else:
        yield Prepare(partial(check_drawing, recipe, parts, materials), words=True)


def _check_tiles(recipe: Recipe, parts: Parts) -> None:
    if recipe.tiles is not None:
        for field, size in (("Tile side", recipe.tiles.side), ("Tile overlap", recipe.tiles.overlap)):
            if size % parts.size_multiple:
                raise RecipeError(f"Tiles, {field}: got {size}; allowed: multiples of {parts.size_multiple}.")


def resolved(recipe: Recipe, parts: Parts) -> Recipe:
    """``recipe`` with the noise levels that the steps of its passes have with this model, if any are run, and
    if it is of one picture, with its choices made. Raises ``RecipeError``."""
    recipe = worded(recipe) if recipe.count == 1 else recipe
    if recipe.upscale is not None:
        return recipe
    levels = tuple((level.alpha, level.sigma) for level in recipe.path(parts.table))
    again = second_of(recipe, recipe.hires, parts).levels if recipe.hires is not None else None
    return recipe.model_copy(update={"levels": levels, "hires_levels": again})


def _told(recipe: Recipe, parts: Parts, materials: Materials) -> Pipeline:
    if recipe.upscale is not None:
        return upscaled(recipe, recipe.upscale, materials)
    if recipe.edit is not None:
        return edited(recipe, recipe.edit, parts, materials)
    if recipe.hires is not None:
        return drawn_twice(recipe, recipe.hires, parts, materials)
    return _drawn(recipe, parts, materials)


def _drawn(recipe: Recipe, parts: Parts, materials: Materials) -> Pipeline:
    begin = yield from begin_of(recipe, parts)
    latents = yield from latents_of(recipe, parts, materials, begin)
    return (yield Decode(latents))


def _seamless(told: Pipeline, axes: str) -> Pipeline:
    """``told``, with every network that it asks seeing the opposite edge beyond an edge."""
    answer = None
    while True:
        try:
            request = told.send(answer)
        except StopIteration as end:
            return end.value
        if isinstance(request, tuple):
            request = tuple(replace(ask, seamless=axes) for ask in request)
        elif isinstance(request, EncodeImage | Decode):
            request = replace(request, seamless=axes)
        answer = yield request
