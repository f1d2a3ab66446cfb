"""Bundles on the page: one of a picture, to be saved, and one that is dropped, taken in.

What a file holds is checked in the gallery; how pictures are shown is not known here.
"""

import time
from pathlib import Path

import gradio as gr

from gallery import Gallery, MetadataError, PictureError
from gallery.bundle import BundleError, export, take_in_file
from ui import show
from ui.easel import address
from ui.watch import QUIET

KEPT = 3600.0  # seconds that an exported zip stays: it is copied at once
SAVE = """(told) => {
    if (!told) return;
    const link = Object.assign(document.createElement("a"), { href: told, download: "" });
    document.body.append(link);
    link.click();
    link.remove();
}"""


class Bundles:
    """``button`` and ``box`` are called where they are to stand."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self.folder.mkdir(exist_ok=True)

    @property
    def folder(self) -> Path:
        """What was exported lately, to be served."""
        return self._gallery.folder / "bundles"

    def button(self) -> None:
        self._export = gr.Button("Export bundle", elem_id="export-bundle")
        self._told = gr.Textbox("", visible="hidden", elem_id="bundle-told")

    def box(self) -> None:
        self.file = gr.File(label="Import a bundle or a picture", elem_id="import", height=96)

    def listen(self, picked: gr.State, notice: gr.HTML) -> None:
        """The button's: ``picked`` is the id of the entry, ``notice`` says what is wrong."""
        made = self._export.click(self.exported, [picked], [self._told, notice], **QUIET)
        made.then(None, [self._told], None, js=SAVE, **QUIET)

    def exported(self, entry_id: str) -> tuple[str, str]:
        """(where the page finds the entry's bundle, what is wrong): one of them is empty."""
        if (entry := self._gallery.get(entry_id)) is None:
            return "", show.notice("Picture: it is no longer there.")
        for old in self.folder.glob("*.zip"):
            if old.stat().st_mtime < time.time() - KEPT:
                old.unlink(missing_ok=True)
        out = self.folder / f"atelier-{entry.id}.zip"
        try:
            export(self._gallery, [entry], out)
        except BundleError as error:
            return "", show.notice(str(error))
        except OSError as error:
            return "", show.notice(f"Bundle: it could not be written: {error.strerror}.")
        return address(out), ""

    def taken_in(self, file: str) -> str:
        """Keep what was dropped; what is to be said of it."""
        try:
            imported = take_in_file(self._gallery, Path(file))
        except (BundleError, PictureError, MetadataError) as error:
            return show.notice(str(error))
        except OSError as error:
            return show.notice(f"It could not be kept: {error.strerror}.")
        many = len(imported.entries)
        said = f"{many} pictures are in the gallery now." if many != 1 else "1 picture is in the gallery now."
        return show.good_news(said) + show.notice(*imported.notes)
