"""A bundle leaves by the page and comes in by it; what may not be is said, and nothing of it is kept."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import gradio as gr
import pytest
from PIL import Image

from gallery import Entry, Gallery, save_picture
from pipelines.recipe import Edit, Recipe
from ui.bundles import KEPT, Bundles

PICTURE = Image.new("RGB", (8, 8), "navy")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Gallery]:
    gallery = Gallery(tmp_path / "here")
    yield gallery
    gallery.close()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Gallery]:
    gallery = Gallery(tmp_path / "elsewhere")
    yield gallery
    gallery.close()


def on_page(gallery: Gallery) -> Bundles:
    with gr.Blocks():
        return Bundles(gallery)


def an_edit(gallery: Gallery) -> Entry:
    edit = Edit(picture=gallery.inputs.add(PICTURE))
    return gallery.add(Image.new("RGB", (8, 8), "teal"), Recipe(prompt="a cat", edit=edit))


def exported(bundles: Bundles, entry: Entry) -> Path:
    link, wrong = bundles.exported(entry.id)
    assert wrong == "" and link.endswith(f"/atelier-{entry.id}.zip")
    return Path(unquote(link.removeprefix("gradio_api/file=")))


def test_what_is_exported_here_is_taken_in_elsewhere(here: Gallery, elsewhere: Gallery) -> None:
    entry = an_edit(here)
    file = exported(on_page(here), entry)
    assert file.parent == here.folder / "bundles"
    said = on_page(elsewhere).taken_in(str(file))
    assert "1 picture is in the gallery now." in said and "alert" not in said
    [found] = elsewhere.find()
    assert found.recipe == entry.recipe and found.recipe and found.recipe.edit
    assert elsewhere.inputs[found.recipe.edit.picture].tobytes() == PICTURE.tobytes()
    assert "it is here already" in on_page(elsewhere).taken_in(str(file))


def test_what_cannot_be_exported_says_why(here: Gallery) -> None:
    bundles = on_page(here)
    assert "no longer there" in bundles.exported("ab" * 16)[1]
    lost = here.add(PICTURE, Recipe(edit=Edit(picture="0" * 64)))
    link, wrong = bundles.exported(lost.id)
    assert link == "" and "made with it, and it is no longer kept" in wrong
    assert list(bundles.folder.iterdir()) == []


def test_an_old_export_goes_with_the_next(here: Gallery) -> None:
    bundles = on_page(here)
    first = exported(bundles, an_edit(here))
    second = exported(bundles, an_edit(here))
    assert first.exists() and second.exists()
    os.utime(first, (0, time.time() - KEPT - 9))
    third = exported(bundles, an_edit(here))
    assert sorted(bundles.folder.iterdir()) == sorted([second, third])


def test_a_picture_with_settings_is_taken_in_and_another_is_not(elsewhere: Gallery, tmp_path: Path) -> None:
    bundles = on_page(elsewhere)
    save_picture(PICTURE, Recipe(prompt="a dog"), tmp_path / "dog.png")
    assert "1 picture is in the gallery now." in bundles.taken_in(str(tmp_path / "dog.png"))
    for name, data, said in (
        ("plain.png", None, "it carries no settings"),
        ("page.zip", b"<svg onload=alert(1)>", "not a PNG, JPEG or WebP"),
        ("empty.zip", b"PK\x05\x06" + bytes(18), "it has no bundle.json"),
    ):
        file = tmp_path / name
        PICTURE.save(file) if data is None else file.write_bytes(data)
        told = bundles.taken_in(str(file))
        assert said in told and 'role="alert"' in told and "<svg" not in told
    assert [entry.recipe and entry.recipe.prompt for entry in elsewhere.find()] == ["a dog"]
