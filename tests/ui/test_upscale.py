"""Upscale without a browser: what it asks, what of a picture's recipe comes along, and what is restored."""

from typing import Any

import pytest
from PIL import Image

from pipelines.recipe import Recipe, Upscale
from tests.ui.test_edit import SIZE, kept, tab  # noqa: F401 (the fixture)
from ui.create import UNKNOWN
from ui.edit import Edit

PICTURE = Image.new("RGB", SIZE, "teal")
DREW = Recipe(prompt="a cat", negative="fog", steps=9, guidance=3.5, model="gone", vae="gone too", seed=7)


def asked(tab: Edit, picture: str, by: str = "lanczos", scale: object = 2) -> Recipe:  # noqa: F811
    tab._upscale._start({"visitor": "me"}, {}, by, scale, picture, "", "", "")
    return tab._engine.jobs("me")[-1].recipe


def test_what_drew_a_picture_of_the_gallery_comes_along(tab: Edit) -> None:  # noqa: F811
    entry = tab._gallery.add(PICTURE, DREW)
    recipe = asked(tab, tab._gallery.inputs.add(entry.path))
    assert recipe.upscale and recipe.upscale.known
    assert recipe == DREW.model_copy(update={"upscale": recipe.upscale}) and recipe.loads == "starter"


def test_of_a_photograph_nothing_is_known_and_edit_and_create_keep_their_settings(tab: Edit) -> None:  # noqa: F811
    recipe = asked(tab, kept(tab))
    assert recipe == Recipe(upscale=Upscale(picture=kept(tab))) and not recipe.known
    entry = tab._gallery.add(PICTURE, recipe)
    boxes = set(tab.settings.outputs) - set(tab._upscale.outputs)
    taken = tab.take(entry.id)
    assert taken[tab._easel.told] and not boxes & taken.keys()
    reused = tab._create.reuse(recipe)
    assert reused.keys() == {tab._create.watch.notice} and UNKNOWN in reused[tab._create.watch.notice]
    drew = recipe.model_copy(update={"prompt": "a cat", "upscale": Upscale(picture=kept(tab), known=True)})
    known = tab._gallery.add(PICTURE, drew)
    assert tab.take(known.id)[tab.settings.form["prompt"]]["value"] == "a cat"


@pytest.mark.parametrize(
    ("upscale", "by", "said"),
    [
        ({"scale": 3.0}, "lanczos", "The upscale was restored."),
        (
            {"upscaler": "gone", "scale": 3.0},
            None,
            "Upscaler &#x27;gone&#x27; is not here; the one chosen stays.",
        ),
        ({"picture": "0" * 64, "scale": 3.0}, "lanczos", "Picture: got 000000000000…, which is not here"),
    ],
)
def test_an_upscale_is_restored(tab: Edit, upscale: dict[str, Any], by: str | None, said: str) -> None:  # noqa: F811
    made = Upscale(**{"picture": kept(tab)} | upscale)
    entry = tab._gallery.add(PICTURE, Recipe(upscale=made))
    updates = tab.rerun(entry.id)
    assert set(updates) <= set(tab.taken)
    panel = tab._upscale
    assert updates[panel.panel]["open"] is True and updates[panel._scale]["value"] == 3
    assert updates[panel._by].get("value") == by and said in updates[tab.watch.notice]
    assert bool(updates[tab._easel.told]) == (made.picture != "0" * 64)


def test_what_was_enlarged_is_beside_what_it_was(tab: Edit) -> None:  # noqa: F811
    entry = tab._gallery.add(PICTURE.resize((96, 64)), Recipe(upscale=Upscale(picture=kept(tab))))
    compared = tab._beside(entry.id)[tab._compare]
    assert kept(tab) in compared and "left:0.000%;top:0.000%;width:100.000%" in compared
