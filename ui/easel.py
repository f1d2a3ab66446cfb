"""The canvas of the Edit tab, as the page sees it: what it is told to open, and what it gives back.

What happens in the browser is in static/edit.js; where pictures are kept, in the gallery. All that comes from
the browser is checked here.
"""

import json
from base64 import b64decode
from binascii import Error
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

import gradio as gr
from PIL import Image

from gallery import Entry, Gallery, PictureError
from gallery.pictures import MAX_BYTES, open_bytes, open_kept
from pipelines.recipe import MOST_REGIONS as MOST
from pipelines.recipe import Edit, RecipeError, Region

STATIC = Path(__file__).parents[1] / "static"
SCRIPTS = tuple(STATIC / name for name in ("memory.js", "mask.js", "layers.js", "view.js", "edit.js"))
DATA = "data:image/png;base64,"
NO_PICTURE = "Init picture: got none; allowed: PNG, JPEG or WebP. Open one, or send one here."
WORDS = {"prompt", "weight", "mask"}  # of a region
OPEN = "(told) => AtelierEdit.open(told)"


class Given(NamedTuple):
    """What a browser gives, not to be trusted: as ``AtelierEdit.given()`` returns it."""

    picture: object  # the name of a kept one
    mask: object  # a PNG as a data URL, or ""
    sketch: object  # the same
    regions: object  # JSON, a list of {prompt, weight, mask}, or ""


class Easel:
    """The canvas, made where it is to stand. No box is seen by anybody: ``told`` is what the canvas is to
    open, ``given`` are those of ``Given``."""

    def __init__(self, gallery: Gallery) -> None:
        self._inputs = gallery.inputs
        gr.HTML(
            (STATIC / "canvas.html").read_text(encoding="utf-8"),
            js_on_load="AtelierEdit.mount(element)", elem_id="easel",
        )  # fmt: skip
        self.told = gr.Textbox("", visible="hidden", elem_id="edit-told")
        self.given = [
            gr.Textbox("", visible="hidden", elem_id=f"edit-given-{name}") for name in Given._fields
        ]

    def file(self, file: str) -> str:
        """What to tell the canvas to open an uploaded file. Raises ``PictureError`` and OSError."""
        return self.name(self._inputs.add(file))

    def entry(self, entry: Entry, keep_mask: bool = False) -> str:
        """The same, for a picture of the gallery; ``keep_mask`` where the size allows it."""
        return self.name(self._inputs.add(open_kept(entry.path)), {"keepMask": keep_mask})

    def edit(self, edit: Edit, regions: Sequence[Region]) -> str:
        """The same, for all that an edit was made of, which is kept here."""
        made: dict[str, Any] = {
            "regions": [
                {"prompt": one.prompt, "weight": one.weight, "url": self.url(one.mask)} for one in regions
            ]
        }
        made |= {kind: self.url(name) for kind in ("mask", "sketch") if (name := getattr(edit, kind))}
        return self.name(edit.picture, made)

    def name(self, name: str, beside: Mapping[str, Any] = MappingProxyType({})) -> str:
        """The same, for a kept picture by its name and what is to be told ``beside`` it."""
        picture = self._inputs[name]
        told = {"name": name, "url": self.url(name), "width": picture.width, "height": picture.height}
        return json.dumps({"picture": told, **beside})

    def url(self, name: str) -> str:
        """Where the page finds a kept picture."""
        return address(self._inputs.folder / name[:2] / f"{name}.png")

    def read(self, given: Given) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """What a browser gave, as an edit and its regions, whose pictures are kept.

        Raises ``RecipeError``, and OSError where one cannot be kept.
        """
        picture = given.picture
        if not isinstance(picture, str) or not picture:
            raise RecipeError(NO_PICTURE)
        if self._inputs.file(picture) is None:
            got = f"got {picture[:12]!r}…, which is not here"
            raise RecipeError(f"Init picture: {got}; allowed: one that is. Open it again.")
        size = self._inputs[picture].size
        mask, sketch = (painted(one, label, size) for one, label in
                        ((given.mask, "Mask"), (given.sketch, "Sketch")))  # fmt: skip
        regions = [
            {**words, "mask": self._inputs.add(_grey(its))} for words, its in _regions(given.regions, size)
        ]
        edit = {
            "picture": picture,
            "mask": mask and self._inputs.add(_grey(mask)),
            "sketch": sketch and self._inputs.add(sketch.convert("RGBA")),
        }
        return edit, regions


def _regions(given: object, size: tuple[int, int]) -> list[tuple[dict[str, Any], Image.Image]]:
    """Those of a browser: what is said of each, and its mask."""
    try:
        some = json.loads(given) if isinstance(given, str) and given else []
    except (ValueError, RecursionError):
        some = None
    if not isinstance(some, list) or len(some) > MOST or any(
        not isinstance(one, dict) or one.keys() != WORDS for one in some
    ):  # fmt: skip
        raise RecipeError(f"Regions: got {str(given)[:40]!r}; allowed: a list of at most {MOST} of them.")
    found = []
    for k, one in enumerate(some, 1):
        mask = painted(one["mask"], f"Region {k}", size)
        if mask is None:
            raise RecipeError(f"Region {k}: got one that is not painted; allowed: one that is. Or remove it.")
        words = {"prompt": one["prompt"], "weight": _number(one["weight"])}
        found.append((words, mask))
    return found


def _number(value: object) -> object:
    """JSON of a browser writes 1.0 as 1."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def painted(given: object, label: str, size: tuple[int, int]) -> Image.Image | None:
    """What a browser sent as a data URL; None for nothing. Raises ``RecipeError``, which begins with
    ``label``."""
    if given == "":
        return None
    if not isinstance(given, str) or not given.startswith(DATA):
        raise RecipeError(f"{label}: got {str(given)[:20]!r}; allowed: a PNG, as the canvas sends it.")
    if len(given) > MAX_BYTES * 4 // 3:
        got = f"{len(given) * 3 / 4e6:.0f} MB"
        raise RecipeError(f"{label}: got {got}; allowed: at most {MAX_BYTES / 1e6:.0f} MB.")
    try:
        found = open_bytes(b64decode(given[len(DATA) :], validate=True), formats=("PNG",))
    except (Error, ValueError) as error:  # PictureError is one
        told = str(error).removeprefix("Picture: ") if isinstance(error, PictureError) else "no base64"
        raise RecipeError(f"{label}: got one that cannot be opened ({told}); allowed: a PNG.") from None
    if found.size != size:
        got, wanted = ("{} x {}".format(*one) for one in (found.size, size))
        raise RecipeError(f"{label}: got {got} pixels; allowed: the {wanted} of its picture.")
    return found


def _grey(mask: Image.Image) -> Image.Image:
    return mask.convert("RGB").convert("L")


def address(path: Path) -> str:
    """Where the page finds a file that is served as it is; relative, so that a studio may be below a path."""
    return "gradio_api/file=" + quote(str(path))


def head() -> str:
    """What the page's head needs for it."""
    return "".join(f"<script>{file.read_text(encoding='utf-8')}</script>" for file in SCRIPTS)
