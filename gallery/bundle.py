"""A bundle: pictures, their recipes and the pictures those were made with, in one zip, to re-run elsewhere.

``bundle.json`` says what it is. ``pictures/ID.png`` are files of a gallery as they are, ``recipes/ID.json``
the same recipes for whoever reads no PNG, and ``inputs/SHA256.png`` what the recipes name. A bundle of
somebody else is checked by ``gallery.unpacked``.
"""

import json
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile, ZipInfo, is_zipfile

from gallery.entry import Entry
from gallery.files import durable
from gallery.gallery import Gallery
from gallery.inputs import Inputs, upright
from gallery.lineage import pictures_of
from gallery.metadata import Stamp, encode_png, read_stamp, restore_from
from gallery.pictures import PictureError, open_kept, open_picture
from gallery.unpacked import MANIFEST, MOST_FILES, VERSION, BundleError, Piece, opened, unpacked
from pipelines.recipe import Recipe

_SINCE_1980 = (1980, 1, 1, 0, 0, 0)  # the same bundle has the same bytes


class Imported(NamedTuple):
    """The pictures that are in the gallery now, and one sentence for what is not as it should be."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


def export(gallery: Gallery, entries: Sequence[Entry], out: Path) -> None:
    """Write ``entries`` and every picture that their recipes name to the zip ``out``, whole or not at all.

    Raises BundleError where one has no recipe or its pictures are no longer kept, and OSError.
    """
    recipes = {entry.id: _recipe_of(entry) for entry in entries}
    inputs = dict.fromkeys(name for recipe in recipes.values() for name in pictures_of(recipe))
    if 2 * len(recipes) + len(inputs) >= MOST_FILES:
        raise BundleError(f"Bundle: {len(recipes)} pictures; at most {MOST_FILES} files are allowed in one.")
    manifest = {"bundle": VERSION, "pictures": sorted(recipes), "inputs": sorted(inputs)}
    with durable(out) as file, ZipFile(file, "w") as zip_:
        _put(zip_, MANIFEST, json.dumps(manifest, indent=1).encode())
        for entry in entries:
            _put(zip_, f"pictures/{entry.id}.png", _file_of(entry, recipes[entry.id]))
            _put(zip_, f"recipes/{entry.id}.json", recipes[entry.id].to_json().encode())
        for name in inputs:
            _put(zip_, f"inputs/{name}.png", _kept(gallery, name))


def _recipe_of(entry: Entry) -> Recipe:
    if entry.recipe is None:
        raise BundleError(f"Picture {entry.id}: it holds no recipe that could be run again.")
    return entry.recipe


def _file_of(entry: Entry, recipe: Recipe) -> bytes:
    """The entry's file as it is; one that another studio wrote, with our texts in it."""
    try:
        image = open_kept(entry.path)
    except PictureError as error:
        raise BundleError(f"Picture {entry.id}: {error}") from None
    stamp = read_stamp(image)
    if stamp is not None and stamp.id == entry.id and restore_from(image).recipe == recipe:
        return entry.path.read_bytes()
    return encode_png(upright(image), recipe, Stamp(entry.id, entry.created, entry.parents))


def _kept(gallery: Gallery, name: str) -> bytes:
    buffer = BytesIO()
    try:
        gallery.inputs[name].save(buffer, format="PNG")
    except KeyError:
        told = "a recipe was made with it, and it is no longer kept"
        raise BundleError(f"Picture {name[:12]}…: {told}.") from None
    except PictureError as error:
        raise BundleError(str(error)) from None
    return buffer.getvalue()


def _put(zip_: ZipFile, name: str, data: bytes) -> None:
    info = ZipInfo(name, _SINCE_1980)
    info.external_attr = 0o644 << 16
    method = zipfile.ZIP_DEFLATED if name.endswith(".json") else zipfile.ZIP_STORED
    zip_.writestr(info, data, compress_type=method)


def take_in(gallery: Gallery, file: Path) -> Imported:
    """Keep what is in a bundle: all of it, or nothing where anything in it is not what it says it is.

    A picture that is here already stays as it is. Raises BundleError and OSError.
    """
    with unpacked(file) as pieces:
        return _keep(gallery, pieces)


def take_in_file(gallery: Gallery, file: Path) -> Imported:
    """Keep a bundle, or a picture of this or another studio with its settings.

    Raises BundleError, PictureError, MetadataError and OSError.
    """
    if is_zipfile(file):
        return take_in(gallery, file)
    image = open_picture(file)
    found = restore_from(image)
    stamped = read_stamp(image) is not None
    entry = gallery.take_in(file) if stamped else gallery.add(upright(image), found.recipe)
    return Imported((entry,), found.notes)


def recipes_in(file: Path, inputs: Inputs) -> dict[str, Recipe]:
    """The recipes in a bundle by the ids of their pictures; what those were made with comes into ``inputs``.

    Raises BundleError and OSError.
    """
    with unpacked(file) as pieces:
        _keep_inputs(inputs, pieces)
        return {piece.stem: piece.recipe for piece in pieces if piece.recipe is not None}


def _keep_inputs(inputs: Inputs, pieces: Sequence[Piece]) -> None:
    for piece in pieces:
        if piece.kind == "inputs":
            inputs.add(opened(piece.stem, piece.file))


def _keep(gallery: Gallery, pieces: Sequence[Piece]) -> Imported:
    """Pictures that others need first, then those, oldest first."""
    _keep_inputs(gallery.inputs, pieces)
    ordered = sorted((piece for piece in pieces if piece.kind == "pictures"), key=lambda piece: piece.created)
    entries: list[Entry] = []
    notes: dict[str, None] = {}
    for piece in ordered:
        if gallery.get(piece.stem) is not None:
            notes[f"Picture {piece.stem}: it is here already, and stays as it is."] = None
        entries.append(gallery.take_in(piece.file))
        for name in pictures_of(piece.recipe) if piece.recipe else ():
            if name not in gallery.inputs:
                notes[f"Picture {name[:12]}…: a recipe was made with it, and it is not in the bundle."] = None
    return Imported(tuple(entries), tuple(notes))
