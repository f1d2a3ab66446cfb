"""The story of one picture: a recipe, and the generator of requests that makes it."""

from pipelines.control import Control
from pipelines.draw import answer, draw, to_images
from pipelines.materials import Folders, Materials
from pipelines.recipe import Recipe, RecipeError, random_seed
from pipelines.reference import Reference
from pipelines.story import check, checking, resolved, story
from pipelines.text_to_image import text_to_image

__all__ = ["Control", "Folders", "Materials", "Recipe", "RecipeError", "Reference", "answer", "check",
           "checking", "draw", "random_seed", "resolved", "story", "text_to_image", "to_images"]  # fmt: skip
