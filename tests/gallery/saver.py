"""Forks children that save pictures in a loop, so that a test can kill them at any moment.

``python saver.py KIND FOLDER``: for each line on stdin, fork one child and print its process id once it has
saved a picture. KIND ``gallery`` saves through the Gallery; ``naive`` records the row first and then saves
to the final name, as studios commonly do: the control that must break. A child appends the id of each
acknowledged picture to ``FOLDER/acknowledged``.
"""

import os
import secrets
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from gallery import Gallery
from pipelines.recipe import Recipe


def through_the_gallery(folder: Path, image: Image.Image) -> Iterator[str]:
    gallery = Gallery(folder)
    while True:
        yield gallery.add(image, Recipe(prompt="saved")).id


def row_first(folder: Path, image: Image.Image) -> Iterator[str]:
    database = sqlite3.connect(folder / "rows.sqlite", timeout=10)
    database.execute("CREATE TABLE IF NOT EXISTS pictures (id TEXT)")
    while True:
        name = secrets.token_hex(16)
        database.execute("INSERT INTO pictures VALUES (?)", (name,))
        database.commit()
        image.save(folder / f"{name}.png")
        yield name


SAVERS: dict[str, Callable[[Path, Image.Image], Iterator[str]]] = {
    "gallery": through_the_gallery,
    "naive": row_first,
}


def save_until_killed(kind: str, folder: Path) -> None:
    image = Image.effect_noise((320, 320), 100).convert("RGB")
    acknowledged = os.open(folder / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number, entry_id in enumerate(SAVERS[kind](folder, image)):
        os.write(acknowledged, f"{entry_id}\n".encode())
        if number == 0:
            os.write(1, f"{os.getpid()}\n".encode())


def main() -> None:
    kind, folder = sys.argv[1], Path(sys.argv[2])
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            save_until_killed(kind, folder)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
