"""The canvas of the Edit tab, as the page sees it: what it is told to open, and what it gives back.

What happens in the browser is in static/edit.js; where pictures are kept, in the gallery. All that comes from
the browser is checked here.
"""

import json
from base64 import b64decode
from binascii import Error
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from PIL import Image

from gallery import Entry, Gallery, PictureError
from gallery.pictures import MAX_BYTES, open_bytes
from pipelines.recipe import Edit, RecipeError

STATIC = Path(__file__).parents[1] / "static"
SCRIPTS = tuple(STATIC / name for name in ("mask.js", "view.js", "edit.js"))
DATA = "data:image/png;base64,"
NO_PICTURE = "Init picture: got none; allowed: PNG, JPEG or WebP. Open one, or send one here."
OPEN = "(told) => AtelierEdit.open(told)"


class Easel:
    """The canvas, made where it is to stand. Both boxes are seen by nobody: ``told`` is what the canvas is to
    open, ``given`` are its picture's name and its mask, as ``AtelierEdit.given()`` returns them."""

    def __init__(self, gallery: Gallery) -> None:
        self._inputs = gallery.inputs
        gr.HTML(
            (STATIC / "canvas.html").read_text(encoding="utf-8"),
            js_on_load="AtelierEdit.mount(element)", elem_id="easel",
        )  # fmt: skip
        self.told = gr.Textbox("", visible="hidden", elem_id="edit-told")
        self.given = [
            gr.Textbox("", visible="hidden", elem_id="edit-given"),
            gr.Textbox("", visible="hidden", elem_id="edit-mask"),
        ]

    def file(self, file: str) -> str:
        """What to tell the canvas to open an uploaded file. Raises ``PictureError`` and OSError."""
        return self.name(self._inputs.add(file))

    def entry(self, entry: Entry, keep_mask: bool = False) -> str:
        """The same, for a picture of the gallery; ``keep_mask`` where the size allows it."""
        return self.name(self._inputs.add(entry.path), keep_mask=keep_mask)

    def edit(self, edit: Edit) -> str:
        """The same, for the picture and mask of an edit. Raises ``RecipeError`` where they are not here."""
        for label, name in (("Init picture", edit.picture), ("Mask", edit.mask)):
            if name is not None and self._inputs.file(name) is None:
                raise RecipeError(f"{label}: got {name[:12]}…, which is not here; allowed: one that is.")
        return self.name(edit.picture, mask=edit.mask)

    def name(self, name: str, mask: str | None = None, keep_mask: bool = False) -> str:
        """The same, for kept pictures by their names."""
        picture = self._inputs[name]
        told: dict[str, Any] = {
            "picture": {"name": name, "url": self.url(name), "width": picture.width, "height": picture.height}
        }
        return json.dumps(told | ({"mask": self.url(mask)} if mask else {}) | {"keepMask": keep_mask})

    def url(self, name: str) -> str:
        """Where the page finds a kept picture."""
        return address(self._inputs.folder / name[:2] / f"{name}.png")

    def read(self, picture: object, mask: object) -> dict[str, Any]:
        """``picture`` and ``mask`` of an edit, of what a browser gave. Raises ``RecipeError``,
        ``PictureError`` for a mask that is no picture, and OSError where it cannot be kept."""
        if not isinstance(picture, str) or not picture:
            raise RecipeError(NO_PICTURE)
        if self._inputs.file(picture) is None:
            got = f"got {picture[:12]!r}…, which is not here"
            raise RecipeError(f"Init picture: {got}; allowed: one that is. Open it again.")
        return {"picture": picture, "mask": self._mask(mask, self._inputs[picture].size)}

    def _mask(self, given: object, size: tuple[int, int]) -> str | None:
        """The name of a mask that a browser sent as a data URL; None for an empty one."""
        if given == "":
            return None
        if not isinstance(given, str) or not given.startswith(DATA):
            raise RecipeError(f"Mask: got {str(given)[:20]!r}; allowed: a PNG, as the canvas sends it.")
        if len(given) > MAX_BYTES * 4 // 3:
            got = f"{len(given) * 3 / 4e6:.0f} MB"
            raise RecipeError(f"Mask: got {got}; allowed: at most {MAX_BYTES / 1e6:.0f} MB.")
        try:
            mask = open_bytes(b64decode(given[len(DATA) :], validate=True), formats=("PNG",))
        except (Error, ValueError) as error:  # PictureError is one
            told = str(error).removeprefix("Picture: ") if isinstance(error, PictureError) else "no base64"
            raise RecipeError(f"Mask: got one that cannot be opened ({told}); allowed: a PNG.") from None
        if mask.size != size:
            got, wanted = ("{} x {}".format(*one) for one in (mask.size, size))
            raise RecipeError(f"Mask: got {got} pixels; allowed: the {wanted} of its picture.")
        return self._inputs.add(_grey(mask))


def _grey(mask: Image.Image) -> Image.Image:
    return mask.convert("RGB").convert("L")


def address(path: Path) -> str:
    """Where the page finds a file that is served as it is; relative, so that a studio may be below a path."""
    return "gradio_api/file=" + quote(str(path))


def head() -> str:
    """What the page's head needs for it."""
    return "".join(f"<script>{file.read_text(encoding='utf-8')}</script>" for file in SCRIPTS)
