"""The story of any recipe: from text, over a picture, or in two passes. Asks for everything, runs nothing."""

from models import Parts
from pipelines.editing import blank, check_edit, edited
from pipelines.materials import Materials
from pipelines.recipe import Recipe
from pipelines.requests import Decode, Pipeline
from pipelines.text_to_image import NOTHING, check_drawing, latents_of


def story(recipe: Recipe, parts: Parts, materials: Materials = NOTHING) -> Pipeline:
    """The pictures of ``recipe`` as a generator of requests, with what it names of ``materials``.

    Raises ``RecipeError`` at once.
    """
    check(recipe, parts, materials)
    if recipe.edit is not None:
        return edited(recipe, recipe.edit, parts, materials)
    return _drawn(recipe, parts, materials)


def check(recipe: Recipe, parts: Parts, materials: Materials = NOTHING) -> None:
    """What only the model and its materials know. Raises ``RecipeError``."""
    if recipe.edit is None:
        check_drawing(recipe, parts, materials)
    else:
        check_edit(recipe, recipe.edit, parts, materials)


def _drawn(recipe: Recipe, parts: Parts, materials: Materials) -> Pipeline:
    if not parts.inpainting:
        latents = yield from latents_of(recipe, parts, materials)
    else:
        latents = yield from latents_of(recipe, parts, materials, (yield from blank(recipe, parts)))
    return (yield Decode(latents))
