"""The gallery's commands of the command line. Knows no page and no engine."""

import os
from pathlib import Path
from typing import Annotated

import typer

from gallery.bundle import BundleError, export, take_in_file
from gallery.gallery import Gallery
from gallery.metadata import MetadataError
from gallery.pictures import PictureError

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
                imported = take_in_file(gallery, file)
                for said in (*(entry.path for entry in imported.entries), *imported.notes):
                    typer.echo(f"{file}: {said}")
            except (BundleError, PictureError, MetadataError, OSError) as error:
                typer.echo(f"{file}: {error}", err=True)
                failed = True
    finally:
        gallery.close()
    if failed:
        raise typer.Exit(1)


def _opened(home: Path) -> Gallery:
    if not os.path.isdir(home / "gallery"):
        raise typer.BadParameter(f"{home} has no gallery.", param_hint="--home")
    return Gallery(home / "gallery")
