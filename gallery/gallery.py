"""The gallery: every picture that was made, newest first.

Saving is file first, then the row; a picture is acknowledged when both are on the disk. Opening a gallery
puts right what a crash left: temporary files go, files without a row are adopted, rows without a file are
dropped. It does not know who made a picture run, or how pictures are shown.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path
from threading import Lock

from PIL import Image

from gallery import files
from gallery.entry import Entry
from gallery.index import Index, IndexDamaged, Row, remove_files, searchable
from gallery.inputs import Inputs, sha256_of
from gallery.lineage import Family, family_of, pictures_of
from gallery.metadata import MetadataError, Stamp, encode_png, read_stamp, restore_from
from gallery.pictures import PictureError, open_kept
from pipelines.recipe import Recipe, RecipeError

THUMBNAIL = 384  # pixels, the longer side; smaller pictures are not enlarged

log = logging.getLogger(__name__)


class Gallery:
    """Pictures below ``folder``: ``pictures/`` (the truth), ``thumbnails/`` and ``index.sqlite`` (caches).

    ``inputs/`` are the pictures that their recipes were made with.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).absolute()
        self.pictures = self.folder / "pictures"
        self.thumbnails = self.folder / "thumbnails"
        self._file = self.folder / "index.sqlite"
        self._saving = Lock()  # rows are numbered in the order of saving
        for needed in (self.pictures, self.thumbnails):
            needed.mkdir(parents=True, exist_ok=True)
        files.sweep(self.pictures)
        self.inputs = Inputs(self.folder / "inputs")
        try:
            self._index = Index(self._file)
        except IndexDamaged as damage:
            log.warning("The gallery's index is damaged (%s); making it again from the files.", damage)
            remove_files(self._file)
            self._index = Index(self._file)
        self._reconcile()

    def close(self) -> None:
        self._index.close()

    def add(self, image: Image.Image, recipe: Recipe, parents: Sequence[str] = ()) -> Entry:
        """Save one picture with its recipe; when this returns it survives a power cut. Raises OSError."""
        with self._saving:
            stamp = Stamp(files.new_id(), datetime.now().astimezone(), tuple(parents))
            path = files.place(self.pictures, stamp.id, stamp.created)
            files.write_durably(path, encode_png(image, recipe, stamp))
            entry = Entry(stamp.id, path, recipe, stamp.created, image.width, image.height, stamp.parents)
            self._index.add([self._row(entry, sha256_of(image))])
        return entry

    def take_in(self, file: Path) -> Entry:
        """Keep a picture file of another gallery as it is: its bytes, its id and its date.

        One whose id is here already is left as it is. Raises PictureError, MetadataError for a file without
        its id, and OSError.
        """
        image = open_kept(file)
        stamp = read_stamp(image)
        if stamp is None or not files.is_id(stamp.id):
            raise MetadataError(
                "Picture: it is of no gallery (its 'atelier-entry' text is missing or damaged)."
            )
        with self._saving:
            if (known := self.get(stamp.id)) is not None:
                return known
            path = files.place(self.pictures, stamp.id, stamp.created)
            files.write_durably(path, Path(file).read_bytes())
            entry = self._adopted(stamp.id, path, image, stamp.created)
            self._index.add([self._row(entry, sha256_of(image))])
        return entry

    def get(self, entry_id: str) -> Entry | None:
        row = self._index.get(entry_id)
        return None if row is None else self._entry(row)

    def drawn(self, picture: str) -> Entry | None:
        """The newest entry whose pixels have that SHA-256, as recipes name pictures."""
        row = self._index.drawn(picture) if picture else None
        return None if row is None else self._entry(row)

    def find(self, words: str = "", limit: int = 60, before: str | None = None) -> list[Entry]:
        """Entries whose prompt has all of ``words`` (or beginnings of words), newest first.

        ``before`` is the id of the last entry already seen, for the next page; one that is gone finds none.
        """
        return [self._entry(row) for row in self._index.find(words, limit, before)]

    def parents_of(self, entry_id: str) -> list[Entry]:
        """The pictures here that one was made from: its file names them, or its recipe their pixels."""
        return [self._entry(row) for row in self._index.parents(entry_id)]

    def children_of(self, entry_id: str) -> list[Entry]:
        """The pictures here that were made from one, oldest first."""
        return [self._entry(row) for row in self._index.children(entry_id)]

    def family(self, entry_id: str) -> Family:
        """Everybody here who is related to a picture, itself among them; nobody where it is not here."""
        return family_of(self.get(entry_id), self.parents_of, self.children_of)

    def delete(self, entry_id: str) -> bool:
        """Delete file, row and thumbnail; False where there is no such entry."""
        row = self._index.get(entry_id)
        if row is None:
            return False
        withdrawn = files.withdraw(self.pictures / row.path)
        self._index.remove([entry_id])
        files.discard(withdrawn)
        files.discard(self._thumbnail_path(entry_id))
        return True

    def rebuild(self) -> int:
        """Make the index again from the files alone; returns how many entries it has."""
        with self._saving:
            self._index.close()
            remove_files(self._file)
            self._index = Index(self._file)
            self._reconcile()
        return self._index.count()

    def thumbnail(self, entry: Entry) -> Path:
        """A small WebP of the picture, made once; the picture itself where there is no room to write one.

        Raises PictureError where the picture cannot be read.
        """
        path = self._thumbnail_path(entry.id)
        if not path.is_file():
            image = open_kept(entry.path)
            image.thumbnail((THUMBNAIL, THUMBNAIL))
            buffer = BytesIO()
            image.convert("RGB").save(buffer, format="WEBP", quality=88)
            try:
                files.write_durably(path, buffer.getvalue())
            except OSError as error:  # a full disk must not hide what can be deleted
                log.warning("A thumbnail could not be written: %s", error.strerror)
                return entry.path
        return path

    def _thumbnail_path(self, entry_id: str) -> Path:
        return self.thumbnails / f"{entry_id}.webp"

    def _reconcile(self) -> None:
        """Make the rows agree with the files."""
        there = dict(files.pictures(self.pictures))
        known = self._index.paths()
        if gone := [entry_id for entry_id in known if entry_id not in there]:
            log.warning("%d pictures are no longer there; dropping them from the index.", len(gone))
            self._index.remove(gone)
        orphans = [self._adopt(entry_id, path) for entry_id, path in there.items() if entry_id not in known]
        orphans.sort(key=lambda found: (found[0].created, found[0].id))
        self._index.add(self._row(entry, pixels) for entry, pixels in orphans)

    def _adopt(self, entry_id: str, path: Path) -> tuple[Entry, str]:
        """(the entry of a file that has no row, its pixels' SHA-256); one that cannot be read is damaged."""
        created = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
        try:
            image = open_kept(path)
        except PictureError as error:
            log.warning("%s cannot be read: %s", path.name, error)
            return Entry(entry_id, path, None, created, 0, 0), ""
        return self._adopted(entry_id, path, image, created), sha256_of(image)

    def _adopted(self, entry_id: str, path: Path, image: Image.Image, created: datetime) -> Entry:
        """The entry that an open file says it is; ``created`` where it does not say when."""
        stamp = read_stamp(image)
        recipe = None
        with suppress(MetadataError):
            recipe = restore_from(image).recipe
        if stamp is None:
            return Entry(entry_id, path, recipe, created, image.width, image.height)
        return Entry(entry_id, path, recipe, stamp.created, image.width, image.height, stamp.parents)

    def _row(self, entry: Entry, pixels: str) -> Row:
        return Row(
            id=entry.id,
            path=entry.path.relative_to(self.pictures).as_posix(),
            created=entry.created.isoformat(),
            width=entry.width,
            height=entry.height,
            recipe=entry.recipe.to_json() if entry.recipe else "",
            parents=entry.parents,
            words=searchable(entry.recipe.prompt if entry.recipe else ""),
            pixels=pixels,
            needs=pictures_of(entry.recipe) if entry.recipe else (),
        )

    def _entry(self, row: Row) -> Entry:
        recipe = None
        with suppress(RecipeError):  # "" of a damaged file, or a recipe this version no longer allows
            recipe = Recipe.from_json(row.recipe)
        created = datetime.fromisoformat(row.created)
        return Entry(row.id, self.pictures / row.path, recipe, created, row.width, row.height, row.parents)
