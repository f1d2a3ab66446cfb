"""A recipe to run again, from a file, with what is given beside it and the pictures it is made with.

A file is a picture that carries a recipe, a recipe as JSON, or a bundle. Knows no engine and no page.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from PIL import Image

from gallery.bundle import recipes_in
from gallery.inputs import Inputs
from gallery.metadata import Restored, restore_from
from gallery.pictures import open_kept
from gallery.unpacked import MOST_TEXT
from pipelines.recipe import Recipe, RecipeError

OF_BUNDLE = re.compile(r"(.+):([0-9a-f]{32})", re.DOTALL)
LEVELS = ("model", "sigmas", "schedule", "steps")  # what a recipe's noise levels were made of
RESOLVED = {  # what a recipe says as it was made -> the settings that it was made of
    "levels": LEVELS,
    "hires_levels": (*LEVELS, "hires"),
    "words": ("prompt", "negative", "seed"),
}
SHOWN = 8  # pictures of a bundle that a message names


def recipe_in(said: str, inputs: Path) -> Restored:
    """The recipe in the file ``said``, or in that bundle's picture ID if it is ``FILE:ID``.

    What a bundle's were made with is kept in the folder ``inputs``. Raises ``RecipeError``, PictureError,
    MetadataError, BundleError and OSError.
    """
    match = None if Path(said).is_file() else OF_BUNDLE.fullmatch(said)
    file, wanted = (Path(match[1]), match[2]) if match else (Path(said), None)
    if not file.is_file():
        raise RecipeError(f"got {said[:200]!r}, which is no file; allowed: one that is.")
    if is_zipfile(file):
        return Restored(_chosen(recipes_in(file, Inputs(inputs)), wanted), ())
    if wanted is not None:
        raise RecipeError(f"got the picture {wanted} of {file.name}; allowed: of a bundle, which it is not.")
    with file.open("rb") as opened:
        is_json = opened.read(64).lstrip()[:1] == b"{"
    return Restored(_read(file), ()) if is_json else restore_from(open_kept(file))


def _read(file: Path) -> Recipe:
    if (size := file.stat().st_size) > MOST_TEXT:
        raise RecipeError(f"got {size / 1e6:.1f} MB of JSON; allowed: at most {MOST_TEXT / 1e6:.0f} MB.")
    try:
        return Recipe.from_json(file.read_text("utf-8"))
    except UnicodeError:
        raise RecipeError(f"got {file.name}, which is not UTF-8; allowed: a recipe as JSON.") from None


def _chosen(recipes: Mapping[str, Recipe], wanted: str | None) -> Recipe:
    if wanted is None and len(recipes) == 1:
        return next(iter(recipes.values()))
    if wanted is None or wanted not in recipes:
        some = "; ".join(f"{name} ({recipe.prompt[:40]})" for name, recipe in [*recipes.items()][:SHOWN])
        more = f"; and {len(recipes) - SHOWN} others" if len(recipes) > SHOWN else ""
        got = "no ID" if wanted is None else wanted
        raise RecipeError(f"got {got} for a bundle of {len(recipes)}; allowed: FILE:ID of {some}{more}.")
    return recipes[wanted]


def beside(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the recipe ``before`` where ``given`` has none of its own.

    What was made of a setting that is another now (noise levels, choices in the prompt) is made anew.
    """
    changed = {name for name, value in given.items() if before.get(name) != value}
    kept = {name: value for name, value in before.items() if not changed.intersection(RESOLVED.get(name, ()))}
    if "seed" in changed and kept.get("regions"):
        kept["regions"] = [{**region, "words": None} for region in kept["regions"]]
    return kept | dict(given)


def with_inputs(recipe: Recipe, given: Mapping[str, Image.Image], folder: Path) -> Mapping[str, Image.Image]:
    """The pictures that ``recipe`` is made with, those ``given`` now among those that ``folder`` keeps.

    Raises ``RecipeError`` for one that is neither, and OSError where one cannot be kept.
    """
    named = recipe.pictures()
    if not named:
        return {}
    inputs = Inputs(folder)
    for _, name in named:
        if name in given:
            inputs.add(given[name])
    lost = [f"{label}: got {name[:12]}…, which is not here" for label, name in named if name not in inputs]
    if lost:
        raise RecipeError(f"{'; '.join(lost)}; allowed: one that is in {folder}, or comes in a bundle.")
    return inputs
