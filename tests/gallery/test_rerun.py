"""A recipe from a file, what is given beside it, and the pictures that it needs."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gallery import Gallery, save_picture, sha256_of
from gallery.bundle import export
from gallery.rerun import beside, recipe_in, with_inputs
from gallery.unpacked import MOST_TEXT
from pipelines.recipe import Control, Edit, Hires, Recipe, RecipeError, Region

PICTURE, OTHER = (Image.new("RGB", (8, 8), colour) for colour in ("navy", "teal"))
RECIPE = Recipe(
    prompt="a {cat|dog}", steps=2, seed=5, words=("a cat", ""), hires=Hires(strength=0.5),
    levels=((0.0, 1.0), (0.5, 0.5), (1.0, 0.0)), hires_levels=((0.5, 0.5), (1.0, 0.0)),
    regions=(Region(mask=sha256_of(PICTURE), prompt="{a|b}", words="a"),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("given", "gone"),
    [
        ({"steps": 3}, {"levels", "hires_levels"}),
        ({"steps": 2}, set()),  # as it was
        ({"sigmas": "9, 1, 0"}, {"levels", "hires_levels"}),
        ({"hires": {"strength": 0.75}}, {"hires_levels"}),
        ({"prompt": "an owl"}, {"words"}),
        ({"seed": 6}, {"words"}),
        ({"guidance": 2.0}, set()),
    ],
)
def test_what_was_made_of_another_setting_is_made_anew(given: dict[str, Any], gone: set[str]) -> None:
    before = RECIPE.model_dump(exclude_unset=True)
    after = beside(before, given)
    assert after.keys() == (before.keys() | given.keys()) - gone
    assert all(after[name] == value for name, value in given.items())
    assert Recipe.read(after).regions[0].words == (None if "seed" in given else "a")


def test_a_bundle_of_several_wants_an_id(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path / "here")
    edit = Edit(picture=gallery.inputs.add(PICTURE))
    entries = [gallery.add(OTHER, Recipe(prompt=f"{k}", edit=edit)) for k in range(2)]
    export(gallery, entries, tmp_path / "two.zip")
    elsewhere = tmp_path / "elsewhere" / "inputs"
    with pytest.raises(
        RecipeError, match=f"got no ID for a bundle of 2; allowed: FILE:ID of .*{entries[0].id}"
    ):
        recipe_in(str(tmp_path / "two.zip"), elsewhere)
    with pytest.raises(RecipeError, match=f"got {'ab' * 16} for a bundle of 2"):
        recipe_in(f"{tmp_path / 'two.zip'}:{'ab' * 16}", elsewhere)
    found = recipe_in(f"{tmp_path / 'two.zip'}:{entries[1].id}", elsewhere).recipe
    assert found == entries[1].recipe
    assert with_inputs(found, {}, elsewhere)[edit.picture].tobytes() == PICTURE.tobytes()


def test_what_is_no_recipe_is_said(tmp_path: Path) -> None:
    save_picture(PICTURE, RECIPE, tmp_path / "a.png")
    assert recipe_in(str(tmp_path / "a.png"), tmp_path).recipe == RECIPE
    PICTURE.save(tmp_path / "plain.png")
    for name, data, said in (
        ("gone.png", None, "got .*gone.png', which is no file"),
        ("x.json", b' {"steps": 0}', "Steps: got 0; allowed"),
        ("x.json", b"{" + b" " * MOST_TEXT, "MB of JSON; allowed: at most 1 MB"),
        ("x.json", b'{"prompt": "\xff"}', "which is not UTF-8"),
        ("x.txt", b"a cat", "not a PNG, JPEG or WebP"),
        ("x.zip", b"PK\x05\x06" + bytes(18), "has no bundle.json"),
        ("plain.png", None, "it carries no settings of ours"),
        (f"a.png:{'ab' * 16}", None, "allowed: of a bundle, which it is not"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises((ValueError, OSError), match=said):
            recipe_in(str(tmp_path / name), tmp_path)


def test_pictures_given_are_kept_and_those_that_are_nowhere_named(tmp_path: Path) -> None:
    first, second = sha256_of(PICTURE), sha256_of(OTHER)
    recipe = Recipe(edit=Edit(picture=first, mask=second), controls=(Control(net="x", picture=second),))
    with pytest.raises(RecipeError, match=f"^Edit, Mask: got {second[:12]}….*; ControlNet 1, Picture: got"):
        with_inputs(recipe, {first: PICTURE}, tmp_path)
    assert set(with_inputs(recipe, {second: OTHER}, tmp_path)) == {first, second}  # the first stayed
    assert with_inputs(Recipe(), {}, tmp_path / "none") == {} and not (tmp_path / "none").exists()
