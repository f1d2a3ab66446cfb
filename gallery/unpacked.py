"""What is in a bundle of somebody else, checked: names, sizes, pixels and recipes, before anything is kept.

It is hostile until then, and no name in it becomes a path. What becomes of it is not known here.
"""

import json
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from PIL import Image

from gallery.inputs import sha256_of
from gallery.metadata import MetadataError, read_stamp, restore_from
from gallery.pictures import KEPT_BYTES, PictureError, open_kept
from pipelines.recipe import Recipe, RecipeError

VERSION = 1
MANIFEST = "bundle.json"
MOST_FILES = 1000
MOST_TEXT = 1_000_000  # bytes of JSON
MOST_UNPACKED = 2_000_000_000  # of all together
MOST_SPREAD = 10  # times that a zip may grow, beyond what is granted to any
GRANTED = 50_000_000
MOST_LIST = 500 * MOST_FILES  # bytes of the zip's list of files

_END = re.compile(rb"PK\x05\x06(?=.{18})", re.DOTALL)
_LONGEST_END = (1 << 16) + 22  # with a comment
_NAME = re.compile(
    r"(?P<kind>pictures|recipes|inputs)/(?P<stem>[0-9a-f]{32}|[0-9a-f]{64})\.(?P<ending>png|json)"
)
_SHAPES = {"pictures": (32, "png"), "recipes": (32, "json"), "inputs": (64, "png")}
_DAMAGED = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, OverflowError)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class BundleError(ValueError):
    """A bundle cannot be made or taken in. The message names the file, what was got, what is allowed."""


@contextmanager
def unpacked(file: Path) -> Iterator[list["Piece"]]:
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
class Piece:
    """A picture of a bundle, checked, in a file of ours."""

    kind: str
    stem: str
    file: Path
    recipe: Recipe | None
    created: float


def _checked(zip_: ZipFile, folder: Path) -> Iterator[Piece]:
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
    packed = Path(str(zip_.filename)).stat().st_size
    if unpacked > GRANTED + MOST_SPREAD * packed:
        got = f"{packed / 1e6:.0f} MB that would be {unpacked / 1e6:.0f}"
        raise BundleError(f"Bundle: {got}; at most {MOST_SPREAD} times as much is allowed.")
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


def opened(what: str, file: Path) -> Image.Image:
    try:
        return open_kept(file)
    except PictureError as error:
        raise BundleError(f"{what}: {error}") from None


def _input(stem: str, file: Path) -> Piece:
    if sha256_of(opened(f"inputs/{stem}.png", file)) != stem:
        raise BundleError(f"inputs/{stem}.png: its pixels are not those that its name says.")
    return Piece("inputs", stem, file, None, 0.0)


def _picture(stem: str, file: Path, beside: bytes) -> Piece:
    """A picture whose own text says that it is that one, and says the same as the recipe beside it."""
    name = f"pictures/{stem}.png"
    image = opened(name, file)
    stamp = read_stamp(image)
    if stamp is None or stamp.id != stem:
        raise BundleError(f"{name}: the picture's own text names another one, or none.")
    try:
        recipe, inside = Recipe.from_json(beside.decode()), restore_from(image).recipe
    except (RecipeError, MetadataError, UnicodeError) as error:
        raise BundleError(f"recipes/{stem}.json: {error}") from None
    if recipe != inside:
        raise BundleError(f"recipes/{stem}.json: it is not the recipe that the picture holds.")
    return Piece("pictures", stem, file, recipe, stamp.created.timestamp())
