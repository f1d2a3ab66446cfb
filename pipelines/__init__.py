"""The story of one picture: a recipe, and the generator of requests that makes it."""

from pipelines.recipe import Recipe, RecipeError, random_seed

__all__ = ["Recipe", "RecipeError", "random_seed"]
