"""The history of a picture as the page shows it: each below what it was made from, the nearest of many."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from gallery import Entry, Family, Gallery, sha256_of
from pipelines.recipe import Edit, Recipe
from ui.history import MOST, History, nearest


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    gallery = Gallery(tmp_path)
    yield gallery
    gallery.close()


def drawn(gallery: Gallery, shade: int, over: Image.Image | None = None, prompt: str = "x") -> Entry:
    edit = Edit(picture=gallery.inputs.add(over), left=8) if over else None
    width = 64 if over is None else over.width + 8
    return gallery.add(Image.new("RGB", (width, 64), (shade, 0, 0)), Recipe(prompt=prompt, edit=edit))


def test_each_stands_below_its_parent_and_words_are_escaped(gallery: Gallery) -> None:
    history = History(gallery, "Click one.")
    first = drawn(gallery, 1, prompt="<img src=x onerror=alert(1)>")
    assert history.tree(first.id) == "" == history.tree("nobody") == history.compared(first.id, "nobody")
    picture = Image.open(first.path).convert("RGB")
    second, third = (drawn(gallery, shade, picture, f"branch {shade}") for shade in (2, 3))
    tree = history.tree(second.id)
    assert tree.count("data-entry") == 3 and tree.index(first.id) < tree.index(second.id) < tree.index(
        third.id
    )
    assert tree.count("<ul>") == 2 and f'{second.id}" aria-current' in tree and "<img src=x" not in tree
    assert [one for _, one in history.names(second.id)] == [third.id, first.id]
    assert "left:11.111%" in history.compared(first.id, second.id) == history.compared(first.id, second.id)
    assert "left:0.000%" in history.compared(third.id, second.id)  # no margins between two branches
    assert "left:11.111%" in history.before(second.id) and history.before(first.id) == ""
    assert sha256_of(picture) in history.before(third.id)


def test_of_many_the_nearest_are_shown() -> None:
    now = datetime.now(UTC)
    members = tuple(Entry(f"{k}", Path("x"), None, now, 1, 1) for k in range(200))
    family = Family(members, {f"{k}": (f"{k - 1}",) for k in range(1, 200)}, True)
    near = nearest(family, "100")
    assert len(near) == MOST and list(near)[0] == "70" and list(near)[-1] == "129"
    assert nearest(family, "nobody") == {}
