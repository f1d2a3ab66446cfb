"""The gallery keeps, finds, deletes, and puts itself right from the files alone."""

import os
import sqlite3
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image

from gallery import Gallery, PictureError, read_recipe
from gallery.bundle import export, take_in
from gallery.files import write_durably
from gallery.pictures import MAX_BYTES
from pipelines.recipe import Recipe


def paint(colour: str = "teal") -> Image.Image:
    return Image.new("RGB", (32, 24), colour)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "studio"


def test_an_entry_is_kept_and_found_after_reopening(home: Path) -> None:
    recipe = Recipe(prompt="a cat", seed=7)
    added = Gallery(home).add(paint(), recipe, parents=["ab" * 16])
    found = Gallery(home).get(added.id)
    assert found == added
    assert (found.width, found.height, found.parents, found.damaged) == (32, 24, ("ab" * 16,), False)
    assert read_recipe(found.path) == recipe
    assert abs(found.created.timestamp() - time.time()) < 60


def test_newest_first_and_page_by_page(home: Path) -> None:
    gallery = Gallery(home)
    ids = [gallery.add(paint(), Recipe(seed=k)).id for k in range(7)]
    first = gallery.find(limit=3)
    second = gallery.find(limit=3, before=first[-1].id)
    third = gallery.find(limit=3, before=second[-1].id)
    assert [e.id for e in (*first, *second, *third)] == ids[::-1]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("apple", {"apples"}),
        ("red", {"apples", "rocket"}),
        ("RED blue", {"apples"}),
        ("tered", set()),  # words are matched from their beginning
        ("猫", {"cat"}),
        ("über", {"over"}),
        ("100%", {"percent"}),
        ("_", {"under"}),
        ("' OR 1=1 --", set()),
        ("", {"apples", "rocket", "cat", "over", "percent", "under", "scattered"}),
    ],
)
def test_search_by_words(home: Path, words: str, found: set[str]) -> None:
    prompts = {
        "apples": "three Red apples on a blue background",
        "rocket": "red rocket",
        "scattered": "scattered leaves",
        "cat": "黒猫",
        "over": "ÜBER alles",
        "percent": "100% cotton",
        "under": "snake _case",
    }
    gallery = Gallery(home)
    names = {gallery.add(paint(), Recipe(prompt=prompt)).id: name for name, prompt in prompts.items()}
    assert {names[e.id] for e in gallery.find(words)} == found


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (" ".join(f"w{k}" for k in range(5000)), True),  # more words than SQLite's expressions are deep
        ("w0 " * 5000, True),
        ("w0 " * 5000 + "elsewhere", True),  # what lies beyond the bound is not looked for
        ("w0 elsewhere", False),
        ("w" * 60_000, False),  # longer than SQLite's patterns may be
        ("\U0001d4cc" * 60_000, False),
        ("_" * 60_000, False),
        ("ΐ" * 60_000, False),  # three letters when its case is folded
    ],
)
def test_a_search_may_be_of_any_length(home: Path, words: str, found: bool) -> None:
    gallery = Gallery(home)
    gallery.add(paint(), Recipe(prompt=" ".join(f"w{k}" for k in range(200))))
    assert bool(gallery.find(words)) == found


def test_delete_takes_file_row_and_thumbnail(home: Path) -> None:
    gallery = Gallery(home)
    entry = gallery.add(paint(), Recipe())
    small = gallery.thumbnail(entry)
    assert gallery.delete(entry.id) and not gallery.delete(entry.id)
    assert not entry.path.exists() and not small.exists() and gallery.get(entry.id) is None
    assert not any(path.is_file() for path in gallery.pictures.rglob("*"))


def test_a_lost_index_is_made_again_from_the_files(home: Path) -> None:
    gallery = Gallery(home)
    for k in range(5):
        gallery.add(paint(), Recipe(prompt=f"number {k}", seed=k), parents=["cd" * 16] * (k % 2))
    before = gallery.find()
    gallery.close()
    for file in home.glob("index.sqlite*"):
        file.unlink()
    assert Gallery(home).find() == before


def test_a_rebuild_gives_the_same_entries(home: Path) -> None:
    gallery = Gallery(home)
    for k in range(4):
        gallery.add(paint(), Recipe(seed=k))
    before = gallery.find()
    assert gallery.rebuild() == 4 and gallery.find() == before


@pytest.mark.parametrize("damage", [b"not a database at all" * 400, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_damaged_index_is_made_again(home: Path, damage: bytes) -> None:
    gallery = Gallery(home)
    entry = gallery.add(paint(), Recipe(prompt="kept"))
    gallery.close()
    (home / "index.sqlite").write_bytes(damage)
    assert Gallery(home).find("kept") == [entry]


def test_a_damaged_page_inside_the_index_is_noticed(home: Path) -> None:
    gallery = Gallery(home)
    for k in range(60):
        gallery.add(paint(), Recipe(prompt=f"picture {k} " + "word " * 60))
    gallery.close()
    before = (home / "index.sqlite").read_bytes()
    (home / "index.sqlite").write_bytes(before[:8192] + b"\xa5" * 4096 + before[12288:])
    assert len(Gallery(home).find("picture")) == 60


def test_an_index_of_another_schema_is_made_again(home: Path) -> None:
    gallery = Gallery(home)
    entry = gallery.add(paint(), Recipe())
    gallery.close()
    with sqlite3.connect(home / "index.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("ALTER TABLE pictures DROP COLUMN words")
    connection.close()
    assert Gallery(home).find() == [entry]


def test_one_damaged_picture_hides_no_other(home: Path) -> None:
    gallery = Gallery(home)
    good, bad = gallery.add(paint(), Recipe(seed=1)), gallery.add(paint(), Recipe(seed=2))
    bad.path.write_bytes(b"\x89PNG\r\n\x1a\n torn")
    with pytest.raises(PictureError):
        gallery.thumbnail(bad)
    assert [e.id for e in gallery.find()] == [bad.id, good.id]
    gallery.rebuild()
    listed = {e.id: e for e in gallery.find()}
    assert listed[good.id] == good and listed[bad.id].damaged and listed[bad.id].recipe is None
    assert gallery.delete(bad.id) and not bad.path.exists()


def test_a_recipe_of_another_version_hides_no_other(home: Path) -> None:
    gallery = Gallery(home)
    entry = gallery.add(paint(), Recipe())
    with sqlite3.connect(home / "index.sqlite") as connection:
        connection.execute("UPDATE pictures SET recipe = '{\"version\": 99}'")
    connection.close()
    assert [(e.id, e.recipe) for e in gallery.find()] == [(entry.id, None)]


def test_a_row_without_its_file_goes_and_a_file_without_its_row_comes(home: Path) -> None:
    gallery = Gallery(home)
    gone, kept = gallery.add(paint(), Recipe(seed=1)), gallery.add(paint(), Recipe(prompt="a foundling"))
    gallery._index.remove([kept.id])
    gone.path.unlink()
    gallery.close()
    assert Gallery(home).find() == [kept]


def test_old_temporary_files_go_and_young_ones_stay(home: Path) -> None:
    day = Gallery(home).add(paint(), Recipe()).path.parent
    old, young, deleted = day / ".a.png.1.part", day / ".b.png.2.part", day / ".c.png.deleted"
    for file in (old, young, deleted):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 120,) * 2)
    Gallery(home)
    assert (old.exists(), young.exists(), deleted.exists()) == (False, True, False)  # the young may be in use


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.png"
    write_durably(file, b"first")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_durably(file, b"second")
    assert file.read_bytes() == b"first" and list(tmp_path.iterdir()) == [file]


def test_thumbnails_are_small_and_made_once(home: Path) -> None:
    gallery = Gallery(home)
    entry = gallery.add(Image.effect_noise((1200, 600), 80), Recipe())
    path = gallery.thumbnail(entry)
    assert Image.open(path).size == (384, 192)
    written = path.stat().st_mtime_ns
    assert gallery.thumbnail(entry) == path and path.stat().st_mtime_ns == written


def test_a_full_disk_shows_the_picture_itself(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = Gallery(home)
    entry = gallery.add(paint(), Recipe())

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert gallery.thumbnail(entry) == entry.path
    assert gallery.thumbnail(entry).parent == gallery.thumbnails  # once there is room again


def test_many_writers_at_once_lose_nothing(home: Path) -> None:
    galleries = [Gallery(home), Gallery(home)]  # two processes' worth of connections on one folder

    def work(k: int) -> None:
        for j in range(10):
            galleries[k % 2].add(paint(), Recipe(seed=100 * k + j))

    threads = [Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seeds = [e.recipe.seed for e in Gallery(home).find(limit=100) if e.recipe]
    assert sorted(seeds) == sorted(100 * k + j for k in range(6) for j in range(10))


def test_what_was_drawn_may_be_heavier_than_an_upload(tmp_path: Path) -> None:
    """It is shown, found again by its file alone, and goes into a bundle."""
    noise = np.random.default_rng(0).integers(0, 256, (2700, 2700, 3), dtype=np.uint8)  # does not compress
    gallery = Gallery(tmp_path / "a")
    entry = gallery.add(Image.fromarray(noise), Recipe(prompt="heavy"))
    assert entry.path.stat().st_size > MAX_BYTES
    with Image.open(gallery.thumbnail(entry)) as small:
        assert max(small.size) < 2700
    export(gallery, [entry], tmp_path / "bundle.zip")
    gallery.close()
    for file in (tmp_path / "a").glob("index.sqlite*"):
        file.unlink()
    again = Gallery(tmp_path / "a").get(entry.id)
    assert again is not None and again.recipe == entry.recipe and again.width == 2700
    taken = take_in(Gallery(tmp_path / "b"), tmp_path / "bundle.zip")
    assert [one.recipe for one in taken.entries] == [entry.recipe]
