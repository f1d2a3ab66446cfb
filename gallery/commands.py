"""The gallery's commands of the command line. Knows no page and no engine."""

import os
from pathlib import Path
from typing import Annotated
from zipfile import is_zipfile

import typer

from gallery.bundle import BundleError, export, take_in
from gallery.gallery import Gallery
from gallery.inputs import upright
from gallery.metadata import MetadataError, read_stamp, restore_from
from gallery.pictures import PictureError, open_picture

Home = Annotated[Path, typer.Option(envvar="ATELIER_HOME", help="Folder of everything the studio writes.")]
HERE = Path("studio")


def bundle(
    entries: Annotated[
        list[str],
        typer.Argument(help="Pictures of the gallery, by their ids: their files' names.", metavar="ENTRY"),
    ],
    out: Annotated[Path, typer.Option(help="Zip to write.")],
    home: Home = HERE,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Write pictures, their recipes and what they were made with to one zip, to be re-run elsewhere."""
    if out.suffix.lower() != ".zip":
        raise typer.BadParameter(f"{out.name}: got {out.suffix!r}; allowed: .zip.", param_hint="--out")
    if out.exists() and not overwrite:
        raise typer.BadParameter(f"{out} exists already; --overwrite replaces it.", param_hint="--out")
    gallery = _opened(home)
    try:
        found = []
        for name in dict.fromkeys(Path(entry).stem for entry in entries):
            if (entry := gallery.get(name)) is None:
                raise typer.BadParameter(f"ENTRY: got {name[:64]!r}; allowed: ids of pictures in {home}.")
            found.append(entry)
        out.parent.mkdir(parents=True, exist_ok=True)
        export(gallery, found, out)
    except (BundleError, OSError) as error:
        raise typer.BadParameter(str(error)) from None
    finally:
        gallery.close()
    typer.echo(str(out))


def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(
            exists=True, dir_okay=False, help="Bundles, and pictures of other studios.", metavar="FILE"
        ),
    ],
    home: Home = HERE,
) -> None:
    """Take bundles, and pictures of this or another studio with their settings, into the gallery."""
    home.mkdir(parents=True, exist_ok=True)
    gallery, failed = Gallery(home / "gallery"), False
    try:
        for file in files:
            try:
                for line in _taken_in(gallery, file):
                    typer.echo(line)
            except (BundleError, PictureError, MetadataError, OSError) as error:
                typer.echo(f"{file}: {error}", err=True)
                failed = True
    finally:
        gallery.close()
    if failed:
        raise typer.Exit(1)


def _taken_in(gallery: Gallery, file: Path) -> list[str]:
    """Keep what is in one file; what to say of it."""
    if is_zipfile(file):
        imported = take_in(gallery, file)
        entries, notes = imported.entries, imported.notes
    else:
        image = open_picture(file)
        found = restore_from(image)
        stamped = read_stamp(image) is not None
        entry = gallery.take_in(file) if stamped else gallery.add(upright(image), found.recipe)
        entries, notes = (entry,), found.notes
    return [*(f"{file}: {entry.path}" for entry in entries), *(f"{file}: {note}" for note in notes)]


def _opened(home: Path) -> Gallery:
    if not os.path.isdir(home / "gallery"):
        raise typer.BadParameter(f"{home} has no gallery.", param_hint="--home")
    return Gallery(home / "gallery")
