"""A bundle: pictures, their recipes and the pictures those were made with, in one zip, to re-run elsewhere.

``bundle.json`` says what it is. ``pictures/ID.png`` are files of a gallery as they are, ``recipes/ID.json``
the same recipes for whoever reads no PNG, and ``inputs/SHA256.png`` what the recipes name. A bundle of
somebody else is hostile until checked: names, sizes, pixels and recipes are, before anything is kept, and no
name in it becomes a path.
"""

import json
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile, ZipInfo

from PIL import Image

from gallery.entry import Entry
from gallery.files import durable
from gallery.gallery import Gallery
from gallery.inputs import Inputs, sha256_of, upright
from gallery.lineage import pictures_of
from gallery.metadata import MetadataError, Stamp, encode_png, read_stamp, restore_from
from gallery.pictures import KEPT_BYTES, PictureError, open_kept
from pipelines.recipe import Recipe, RecipeError

VERSION = 1
MANIFEST = "bundle.json"
MOST_FILES = 1000
MOST_TEXT = 1_000_000  # bytes of JSON
MOST_UNPACKED = 2_000_000_000  # of all together
MOST_LIST = 500 * MOST_FILES  # bytes of the zip's list of files

_END = re.compile(rb"PK\x05\x06(?=.{18})", re.DOTALL)
_LONGEST_END = (1 << 16) + 22  # with a comment
_NAME = re.compile(
    r"(?P<kind>pictures|recipes|inputs)/(?P<stem>[0-9a-f]{32}|[0-9a-f]{64})\.(?P<ending>png|json)"
)
_SHAPES = {"pictures": (32, "png"), "recipes": (32, "json"), "inputs": (64, "png")}
_DAMAGED = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, OverflowError)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_SINCE_1980 = (1980, 1, 1, 0, 0, 0)  # the same bundle has the same bytes


class BundleError(ValueError):
    """A bundle cannot be made or taken in. The message names the file, what was got, what is allowed."""


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
    with _unpacked(file) as pieces:
        return _keep(gallery, pieces)


def recipes_in(file: Path, inputs: Inputs) -> dict[str, Recipe]:
    """The recipes in a bundle by the ids of their pictures; what those were made with comes into ``inputs``.

    Raises BundleError and OSError.
    """
    with _unpacked(file) as pieces:
        _keep_inputs(inputs, pieces)
        return {piece.stem: piece.recipe for piece in pieces if piece.recipe is not None}


@contextmanager
def _unpacked(file: Path) -> Iterator[list["_Piece"]]:
    """Every picture of a bundle, checked, while the block goes on. Raises BundleError and OSError."""
    _check_end(file)
    try:
        with ZipFile(file) as zip_, tempfile.TemporaryDirectory(prefix="atelier-bundle-") as folder:
            yield list(_checked(zip_, Path(folder)))
    except _DAMAGED as error:
        raise BundleError(f"Bundle: the file is no zip, or a damaged one ({type(error).__name__}).") from None


def _check_end(file: Path) -> None:
    """The list of a zip's files is read at once: how long it may be is checked where the zip ends.

    By APPNOTE.TXT 4.3.16; zips over 4 GB (4.3.14) are longer than a bundle may be. Raises BundleError.
    """
    size = file.stat().st_size
    if size > MOST_UNPACKED:
        raise BundleError(f"Bundle: {size / 1e9:.1f} GB; at most {MOST_UNPACKED / 1e9:.0f} GB are allowed.")
    with file.open("rb") as zip_:
        zip_.seek(max(0, size - _LONGEST_END))
        end = zip_.read()
    lists = [struct.unpack_from("<L", end, found.start() + 12)[0] for found in _END.finditer(end)]
    if not lists or b"PK\x06\x07" in end:
        raise BundleError("Bundle: the file is no zip, or one over 4 GB.")
    if max(lists) > MOST_LIST:
        raise BundleError(f"Bundle: the list of its files has {max(lists)} bytes; at most {MOST_LIST}.")


@dataclass(frozen=True)
class _Piece:
    """A picture of a bundle, checked, in a file of ours."""

    kind: str
    stem: str
    file: Path
    recipe: Recipe | None
    created: float


def _checked(zip_: ZipFile, folder: Path) -> Iterator[_Piece]:
    """Every picture of the bundle, unpacked below ``folder`` under names of ours. Raises BundleError."""
    infos = _listed(zip_)
    _check_manifest(_read(zip_, infos[MANIFEST]), infos)
    for number, (name, info) in enumerate(infos.items()):
        match = _NAME.fullmatch(name)
        if match is None or match["kind"] == "recipes":
            continue
        file = folder / f"{number}.png"
        file.write_bytes(_read(zip_, info))
        if match["kind"] == "inputs":
            yield _input(match["stem"], file)
        else:
            beside = infos.get(f"recipes/{match['stem']}.json")
            if beside is None:
                raise BundleError(f"{name}: its recipe is not in the bundle.")
            yield _picture(match["stem"], file, _read(zip_, beside))


def _listed(zip_: ZipFile) -> dict[str, ZipInfo]:
    """The files of the zip by name. Raises BundleError for what a bundle of ours does not have."""
    infos = zip_.infolist()
    if len(infos) > MOST_FILES:
        raise BundleError(f"Bundle: {len(infos)} files; at most {MOST_FILES} are allowed.")
    found: dict[str, ZipInfo] = {}
    for info in infos:
        name = info.filename
        match = _NAME.fullmatch(name)
        shape = (len(match["stem"]), match["ending"]) if match else None
        if name != MANIFEST and (match is None or _SHAPES[match["kind"]] != shape):
            allowed = f"{MANIFEST}, pictures/ID.png, recipes/ID.json, inputs/SHA256.png"
            raise BundleError(f"Bundle: it has a file {name[:80]!r}; allowed: {allowed}.")
        if name in found:
            raise BundleError(f"{name}: it is there twice.")
        _check_info(info)
        found[name] = info
    if (unpacked := sum(info.file_size for info in infos)) > MOST_UNPACKED:
        raise BundleError(f"Bundle: {unpacked / 1e9:.1f} GB unpacked; at most {MOST_UNPACKED / 1e9:.0f} GB.")
    if MANIFEST not in found:
        raise BundleError(f"Bundle: it has no {MANIFEST}, so it is no bundle of Atelier.")
    return found


def _check_info(info: ZipInfo) -> None:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise BundleError(f"{info.filename}: a link or a device; only plain files are allowed.")
    if info.flag_bits & 0x1 or info.compress_type not in _METHODS:
        raise BundleError(f"{info.filename}: encrypted, or packed in a way that is not read.")
    most = MOST_TEXT if info.filename.endswith(".json") else KEPT_BYTES
    if info.file_size > most:
        raise BundleError(f"{info.filename}: {info.file_size / 1e6:.0f} MB; at most {most / 1e6:.0f} MB.")


def _read(zip_: ZipFile, info: ZipInfo) -> bytes:
    """What is in a file of the zip; no more is unpacked than it says it has."""
    with zip_.open(info) as packed:
        data = packed.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise BundleError(f"{info.filename}: its size is not what the zip says.")
    return data


def _check_manifest(data: bytes, infos: Mapping[str, ZipInfo]) -> None:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        raise BundleError(f"{MANIFEST}: it is not JSON.") from None
    version = values.get("bundle") if isinstance(values, dict) else None
    if version != VERSION:
        raise BundleError(f"{MANIFEST}: version {str(version)[:20]}; allowed: {VERSION}.")
    for kind in ("pictures", "inputs"):
        there = sorted(name[len(kind) + 1 : -4] for name in infos if name.startswith(f"{kind}/"))
        if values.get(kind) != there:
            raise BundleError(f"{MANIFEST}: its list of {kind} is not what is in the bundle.")


def _opened(what: str, file: Path) -> Image.Image:
    try:
        return open_kept(file)
    except PictureError as error:
        raise BundleError(f"{what}: {error}") from None


def _input(stem: str, file: Path) -> _Piece:
    if sha256_of(_opened(f"inputs/{stem}.png", file)) != stem:
        raise BundleError(f"inputs/{stem}.png: its pixels are not those that its name says.")
    return _Piece("inputs", stem, file, None, 0.0)


def _picture(stem: str, file: Path, beside: bytes) -> _Piece:
    """A picture whose own text says that it is that one, and says the same as the recipe beside it."""
    name = f"pictures/{stem}.png"
    image = _opened(name, file)
    stamp = read_stamp(image)
    if stamp is None or stamp.id != stem:
        raise BundleError(f"{name}: the picture's own text names another one, or none.")
    try:
        recipe, inside = Recipe.from_json(beside.decode()), restore_from(image).recipe
    except (RecipeError, MetadataError, UnicodeError) as error:
        raise BundleError(f"recipes/{stem}.json: {error}") from None
    if recipe != inside:
        raise BundleError(f"recipes/{stem}.json: it is not the recipe that the picture holds.")
    return _Piece("pictures", stem, file, recipe, stamp.created.timestamp())


def _keep_inputs(inputs: Inputs, pieces: Sequence[_Piece]) -> None:
    for piece in pieces:
        if piece.kind == "inputs":
            inputs.add(_opened(piece.stem, piece.file))


def _keep(gallery: Gallery, pieces: Sequence[_Piece]) -> Imported:
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
