"""An enlarged picture says how it was enlarged, and what drew the one before if that is known."""

from pathlib import Path

import pytest
from PIL import Image

from gallery import Gallery, parameters, restore
from gallery.enlarged import enlarged
from pipelines.recipe import Control, Edit, Hires, Recipe, Upscale, Variation

PICTURE = "ab" * 32
ASKED = {"picture": PICTURE, "upscaler": "lanczos", "scale": 2.0}
DREW = Recipe(
    prompt="a {cat|dog}", negative="fog", words=("a cat", "fog"), model="mine", steps=2, seed=7, count=3,
    levels=((0.0, 1.0), (0.5, 0.5), (1.0, 0.0)), variation=Variation(seed=3),
)  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"edit": Edit(picture=PICTURE)},
        {"hires": Hires()},
        {"controls": (Control(net="x", picture=PICTURE),)},
    ],
)
def test_what_drew_the_picture_is_kept_but_for_the_parts_of_its_drawing(more: dict[str, object]) -> None:
    made = Recipe.read(enlarged(DREW.model_copy(update=more), ASKED))
    assert made == DREW.model_copy(update={"count": 1, "upscale": Upscale(**ASKED, known=True)})
    assert made.pictures() == (("Upscale, Picture", PICTURE),) and made.passes() == ()
    again = Recipe.read(enlarged(made, ASKED | {"scale": 4.0}))  # enlarged twice
    assert again.upscale and again.upscale.scale == 4 and again.words == ("a cat", "fog") and again.known


@pytest.mark.parametrize("source", [None, Recipe(upscale=Upscale(picture=PICTURE))])
def test_of_a_picture_from_elsewhere_nothing_is_said(source: Recipe | None) -> None:
    made = Recipe.read(enlarged(source, ASKED))
    assert made == Recipe(upscale=Upscale(**ASKED)) and not made.known and Recipe().known
    text = parameters.write(made)
    assert "Steps" not in text and "Seed" not in text and "Sampler" not in text
    assert parameters.read(text)[0] == {"prompt": "", "negative": ""}


def test_other_tools_read_what_drew_it_and_what_enlarged_it() -> None:
    made = Recipe.read(enlarged(DREW, ASKED | {"upscaler": "4x, sharp"}))
    text = parameters.write(made)
    plain = parameters.write(DREW)
    assert text.startswith("a cat\nNegative prompt: fog\nSteps: 2, ")
    assert text == plain.replace(
        ", Version", ', Postprocess upscale by: 2, Postprocess upscaler: "4x, sharp", Version'
    )
    values, notes = parameters.read(text)
    assert values["prompt"] == "a cat" and values["seed"] == 7 and len(notes) == 2


def test_its_parent_is_the_picture_that_was_enlarged(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    parent = gallery.add(Image.new("RGB", (8, 8), "teal"), DREW)
    picture = gallery.inputs.add(parent.path)
    assert gallery.drawn(picture) == parent and gallery.drawn("0" * 64) is None and gallery.drawn("") is None
    recipe = Recipe.read(enlarged(parent.recipe, ASKED | {"picture": picture}))
    child = gallery.add(Image.new("RGB", (16, 16), "teal"), recipe)
    assert gallery.parents_of(child.id) == [parent] and gallery.find("cat") == [child, parent]
    assert restore(child.path).recipe == recipe
    again = gallery.add(Image.new("RGB", (8, 8), "teal"), Recipe(prompt="the same pixels"))
    assert gallery.drawn(picture) == again
    gallery.close()
