"""The recipe inside a picture file: written into every PNG, read back from anything a user drops.

Two text chunks say the same: ``atelier`` is the Recipe as JSON, ``parameters`` is the text that
AUTOMATIC1111's web UI writes and most tools read. A third, ``atelier-entry``, lets the gallery's index be
made again from the files alone. What other studios write is read by ``gallery.studios``. All of it
is hostile until parsed: every value passes the Recipe's own checks, and what is not understood is told, never
guessed. A model is named here; whether anyone has it is not known here.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gallery import parameters, studios
from gallery.files import is_id, write_durably
from gallery.pictures import open_picture
from pipelines.recipe import Recipe, RecipeError

RECIPE_CHUNK = "atelier"
ENTRY_CHUNK = "atelier-entry"
PARAMETERS_CHUNK = "parameters"
MAX_TEXT = 131_072  # characters; a full recipe is under 25,000, and 105,000 with every one escaped
MOST_PARENTS = 64  # that a file may name


class MetadataError(ValueError):
    """A picture opens but holds no recipe that can be read."""


@dataclass(frozen=True)
class Restored:
    """A recipe read from a picture, and one sentence for each thing that was not understood.

    ``studio`` is whose file it is; "" is ours.
    """

    recipe: Recipe
    notes: tuple[str, ...]
    studio: str = ""


@dataclass(frozen=True)
class Stamp:
    """What the gallery notes in a file beside the recipe."""

    id: str
    created: datetime
    parents: tuple[str, ...]


def encode_png(image: Image.Image, recipe: Recipe, stamp: Stamp | None = None) -> bytes:
    """The bytes of a PNG that carries ``recipe``, and ``stamp`` where the gallery keeps it."""
    info = PngInfo()
    info.add_text(RECIPE_CHUNK, recipe.to_json())
    info.add_text(PARAMETERS_CHUNK, parameters.write(recipe))
    if stamp is not None:
        values = {"id": stamp.id, "created": stamp.created.isoformat(), "parents": list(stamp.parents)}
        info.add_text(ENTRY_CHUNK, json.dumps(values))
    buffer = BytesIO()
    image.save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()


def save_picture(image: Image.Image, recipe: Recipe, path: Path) -> None:
    """Write a PNG that carries its recipe, durably, outside any gallery. Raises OSError."""
    write_durably(path, encode_png(image, recipe))


def read_recipe(file: str | Path) -> Recipe:
    """The recipe in a picture; raises PictureError or MetadataError. ``restore`` also tells what was lost."""
    return restore(file).recipe


def restore(file: str | Path) -> Restored:
    """The recipe in a picture of ours, or of one of the studios in ``gallery.studios``.

    Raises PictureError, MetadataError.
    """
    return restore_from(open_picture(file))


def restore_from(image: Image.Image) -> Restored:
    """As ``restore``, from a picture that is open already."""
    ours = image.info.get(RECIPE_CHUNK)
    if isinstance(ours, str):
        return _keep_valid(_json_object(ours), ())
    try:
        theirs = studios.read(studios.texts(image))
    except studios.NotUnderstood as error:
        raise MetadataError(f"Picture: {error}") from None
    if theirs is None:
        known = ", ".join(studio.name for studio in studios.STUDIOS)
        raise MetadataError(f"Picture: it carries no settings of ours, nor of {known}.")
    return replace(_keep_valid(theirs.values, theirs.notes), studio=theirs.studio)


def read_stamp(image: Image.Image) -> Stamp | None:
    """What the gallery noted when it saved the file, or None where that is absent or nonsense."""
    try:
        values = _json_object(image.info.get(ENTRY_CHUNK, ""))
        created = datetime.fromisoformat(str(values["created"]))
        parents = tuple(str(parent) for parent in values["parents"] if is_id(str(parent)))[:MOST_PARENTS]
        return Stamp(str(values["id"]), created.astimezone(), parents)
    except (MetadataError, KeyError, TypeError, ValueError, OverflowError):
        return None


def _json_object(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text[: MAX_TEXT + 1])
    except (ValueError, RecursionError):
        raise MetadataError("Picture: its 'atelier' text is not JSON.") from None
    if not isinstance(values, dict):
        raise MetadataError("Picture: its 'atelier' text is not a recipe.")
    return values


def _keep_valid(values: dict[str, Any], notes: tuple[str, ...]) -> Restored:
    """The recipe of those values that a Recipe allows; the others become notes.

    In the order of declaration: some fields are checked against those before them.
    """
    kept: dict[str, Any] = {}
    told = list(notes)
    for name in (*Recipe.model_fields, *(values.keys() - Recipe.model_fields.keys())):
        if name not in values:
            continue
        value = values[name]
        try:
            Recipe.read({**kept, name: value})
            kept[name] = value
        except RecipeError as error:
            told.append(f"Not restored: {error}")
    if not kept:
        raise MetadataError("Picture: none of its settings could be understood. " + " ".join(told))
    return Restored(Recipe.read(kept), tuple(told))
