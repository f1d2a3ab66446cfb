"""Pictures know what they were made from: by what their files name, and by the pixels their recipes name."""

import sqlite3
import time
from itertools import count
from pathlib import Path

import pytest
from PIL import Image

from gallery import Entry, Gallery, pictures_of, sha256_of
from gallery.lineage import MOST_RELATIVES, family_of
from pipelines.recipe import Control, Recipe

_colours = count(1)


def paint() -> Image.Image:
    """Another picture each time."""
    return Image.new("RGB", (8, 8), (next(_colours), 7, 7))


def made_with(*pictures: Image.Image) -> Recipe:
    return Recipe(controls=tuple(Control(net="edges", picture=sha256_of(each)) for each in pictures))


def ids(entries: list[Entry] | tuple[Entry, ...]) -> list[str]:
    return [entry.id for entry in entries]


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    return Gallery(tmp_path / "studio")


def test_a_recipe_names_its_pictures_once() -> None:
    one, other = paint(), paint()
    recipe = made_with(one, other, one).model_copy(update={"prompt": "ab" * 32})
    assert pictures_of(recipe) == (sha256_of(one), sha256_of(other))
    assert pictures_of(Recipe(prompt="ab" * 32, words=("ab" * 32, ""))) == ()


def test_parents_are_found_by_the_pixels_of_the_recipes_pictures(gallery: Gallery) -> None:
    first, second = paint(), paint()
    a, b = gallery.add(first, Recipe()), gallery.add(second, Recipe())
    child = gallery.add(paint(), made_with(second, first, paint()))
    assert ids(gallery.parents_of(child.id)) == [a.id, b.id]
    assert ids(gallery.children_of(a.id)) == ids(gallery.children_of(b.id)) == [child.id]
    assert gallery.parents_of(a.id) == [] == gallery.children_of(child.id)


def test_parents_that_a_file_names_count_too_each_once(gallery: Gallery) -> None:
    picture = paint()
    a, b = gallery.add(picture, Recipe()), gallery.add(paint(), Recipe())
    child = gallery.add(paint(), made_with(picture), parents=[a.id, b.id, "ef" * 16])
    assert ids(gallery.parents_of(child.id)) == [a.id, b.id]
    assert child.parents == (a.id, b.id, "ef" * 16)


def test_a_picture_made_later_is_no_parent_whatever_its_pixels(gallery: Gallery) -> None:
    """An edit at strength 0 has the pixels of what it was made from: a child, and no parent."""
    picture = paint()
    a = gallery.add(picture, Recipe())
    same = gallery.add(picture, made_with(picture))
    third = gallery.add(picture, made_with(picture))
    assert ids(gallery.parents_of(same.id)) == [a.id]
    assert ids(gallery.parents_of(third.id)) == [a.id, same.id]
    assert ids(gallery.children_of(same.id)) == [third.id]


def test_a_family_has_parents_branches_and_no_strangers(gallery: Gallery) -> None:
    pictures = [paint() for _ in range(5)]
    root = gallery.add(pictures[0], Recipe())
    left, right = (gallery.add(pictures[k], made_with(pictures[0])) for k in (1, 2))
    leaf = gallery.add(pictures[3], made_with(pictures[1]))
    gallery.add(pictures[4], Recipe())
    for member in (root, left, right, leaf):
        family = gallery.family(member.id)
        assert ids(family.members) == ids([root, left, right, leaf]) and family.complete
        assert family.parents == {left.id: (root.id,), right.id: (root.id,), leaf.id: (left.id,)}
    assert gallery.family("00" * 16).members == ()


def test_what_is_deleted_leaves_the_family(gallery: Gallery) -> None:
    pictures = [paint() for _ in range(3)]
    root = gallery.add(pictures[0], Recipe())
    middle = gallery.add(pictures[1], made_with(pictures[0]))
    leaf = gallery.add(pictures[2], made_with(pictures[1]))
    gallery.delete(middle.id)
    assert gallery.parents_of(leaf.id) == [] and gallery.children_of(root.id) == []
    assert ids(gallery.family(leaf.id).members) == [leaf.id]


def test_an_index_made_again_from_the_files_knows_the_same_families(gallery: Gallery) -> None:
    pictures = [paint() for _ in range(4)]
    root = gallery.add(pictures[0], Recipe())
    for k in (1, 2, 3):
        gallery.add(pictures[k], made_with(pictures[k - 1]), parents=[root.id] * (k == 3))
    before = gallery.family(root.id)
    assert len(before.members) == 4 and len(before.parents) == 3
    gallery.rebuild()
    assert gallery.family(root.id) == before
    gallery.close()
    for file in gallery.folder.glob("index.sqlite*"):
        file.unlink()
    assert Gallery(gallery.folder).family(root.id) == before


def test_an_index_of_the_schema_before_is_made_again(gallery: Gallery) -> None:
    picture = paint()
    root = gallery.add(picture, Recipe())
    child = gallery.add(paint(), made_with(picture))
    gallery.close()
    with sqlite3.connect(gallery.folder / "index.sqlite") as database:
        database.execute("DROP TABLE ties")
        database.execute("PRAGMA user_version = 1")
    database.close()
    assert ids(Gallery(gallery.folder).parents_of(child.id)) == [root.id]


def test_a_family_with_a_ring_or_without_end_is_bounded(gallery: Gallery) -> None:
    entry = gallery.add(paint(), Recipe())
    others = [Entry(f"{k:032x}", entry.path, None, entry.created, 1, 1) for k in range(2 * MOST_RELATIVES)]
    ring = family_of(others[0], lambda _: others[:3], lambda _: others[:3])
    assert len(ring.members) == 3 and ring.complete
    started = time.perf_counter()
    crowd = family_of(others[0], lambda _: [], lambda _: others)
    assert len(crowd.members) == MOST_RELATIVES and not crowd.complete
    assert time.perf_counter() - started < 5


def test_a_file_of_another_gallery_is_kept_as_it_is(gallery: Gallery, tmp_path: Path) -> None:
    other = Gallery(tmp_path / "other")
    picture = paint()
    root = other.add(picture, Recipe(prompt="root"))
    child = other.add(paint(), made_with(picture), parents=[root.id])
    taken = gallery.take_in(child.path)
    assert (taken.id, taken.created, taken.parents) == (child.id, child.created, (root.id,))
    assert taken.path.read_bytes() == child.path.read_bytes() and taken.path != child.path
    assert gallery.parents_of(child.id) == []
    assert ids([gallery.take_in(root.path)]) == ids(gallery.parents_of(child.id))  # though it came later
    assert gallery.take_in(child.path) == taken and len(gallery.find()) == 2


def test_a_file_of_no_gallery_is_not_taken_in(gallery: Gallery, tmp_path: Path) -> None:
    paint().save(tmp_path / "plain.png")
    with pytest.raises(ValueError, match="of no gallery"):
        gallery.take_in(tmp_path / "plain.png")
    assert gallery.find() == []
