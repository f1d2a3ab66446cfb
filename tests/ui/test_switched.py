"""The parts of a recipe that a switch turns on: read, refused, restored and kept."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from gradio.blocks import Block

from pipelines.cost import cost
from pipelines.recipe import NESTED, Recipe, RecipeError
from ui.create import Create
from ui.switched import PARTS, Switched

GIVEN: dict[str, dict[str, Any]] = {
    "hires": {"scale": 1.5, "steps": 12, "strength": 0.4, "upscaler": "lanczos"},
    "variation": {"seed": 7, "strength": 0.1},
    "tiles": {"side": 256, "overlap": 32},
}


@pytest.fixture
def switched() -> Iterator[Switched]:
    with gr.Blocks():
        yield Switched()


def values(switched: Switched, **changed: Any) -> list[Any]:
    """What the page sends: what the boxes begin with, but for ``changed``, whose names have _ for -."""
    starts = [box.value for box in switched.components]  # pyright: ignore[reportAttributeAccessIssue]
    found = dict(zip(switched.names, starts, strict=True))
    return list((found | {name.replace("_", "-"): value for name, value in changed.items()}).values())


def shown(switched: Switched, updates: dict[Block, Any]) -> dict[str, Any]:
    boxes = zip(switched.names, switched.components, strict=True)
    return {name: updates[box]["value"] for name, box in boxes if box in updates}


def test_what_is_off_is_not_in_the_recipe_whatever_its_boxes_show(switched: Switched) -> None:
    base = Recipe(prompt="a cat", seed=3)
    assert switched.put_into(base, values(switched)) == base
    assert switched.put_into(base, values(switched, hires_scale=99, variation_seed=None)) == base


@pytest.mark.parametrize("part", PARTS)
def test_what_is_on_has_the_boxes_values_and_begins_with_the_declared_ones(
    switched: Switched, part: str
) -> None:
    made = switched.put_into(Recipe(), values(switched, **{part: True}))
    assert made == Recipe.read({part: NESTED[part]()})
    typed = {f"{part}_{name}": value for name, value in GIVEN[part].items()}
    made = switched.put_into(Recipe(), values(switched, **{part: True}, **typed))
    assert made == Recipe.read({part: GIVEN[part]})


REFUSED = {
    "Hires fix, Hires scale: got 9; allowed: a number from 1 to 4.": {"hires": True, "hires_scale": 9},
    "Hires fix, Hires strength: got 0; allowed: a number above 0, up to 1.": {
        "hires": True,
        "hires_strength": 0,
    },
    "Hires fix: Strength got 0.01, less than one of 20 steps": {"hires": True, "hires_strength": 0.01},
    "Variation, Variation seed: got nothing; allowed: a whole number from 0": {
        "variation": True,
        "variation_seed": None,
    },
    "Variation, Variation seed: got 1.5;": {"variation": True, "variation_seed": 1.5},
    "Tiles, Tile overlap: got 400; allowed: at most half of the 512": {"tiles": True, "tiles_overlap": 400},
}


@pytest.mark.parametrize("said", REFUSED)
def test_a_value_that_is_not_allowed_names_its_field(switched: Switched, said: str) -> None:
    with pytest.raises(RecipeError) as refused:
        switched.put_into(Recipe(), values(switched, **REFUSED[said]))
    assert said in str(refused.value)


def test_a_recipe_shows_its_parts_and_switches_the_others_off(switched: Switched) -> None:
    recipe = Recipe.read({"hires": GIVEN["hires"]})
    assert shown(switched, switched.of(recipe)) == {
        "hires": True, "variation": False, "tiles": False,
        **{f"hires-{name}": value for name, value in GIVEN["hires"].items()},
    }  # fmt: skip


def test_what_a_browser_kept_is_shown_where_it_can_be(switched: Switched) -> None:
    kept = dict(zip(switched.names, values(switched, hires=True, hires_scale=1.5), strict=True))
    assert shown(switched, switched.restored(kept)) == kept
    strange = {"hires": "on", "hires-upscaler": "<b>", "hires-steps": [], "variation-seed": 4, "scale": 2}
    assert shown(switched, switched.restored(strange)) == {"variation-seed": 4}
    assert switched.restored({}) == {}


def test_create_reads_them_and_counts_what_they_cost(create: Create) -> None:
    boxes = [box.value for box in create.form.components]  # pyright: ignore[reportAttributeAccessIssue]
    on = values(create._switched, hires=True, tiles=True)
    made, _ = create.read({}, "[]", "[]", *boxes, *on)
    assert made.hires == NESTED["hires"]() and made.tiles is not None and made.variation is None
    costly = [box.value for box in create._costly][: -len(on)]  # pyright: ignore[reportAttributeAccessIssue]
    said = create._tell_cost(*costly, *on)
    twice = cost(made, create._catalogue.table(made.model)).evaluations
    assert f"{twice} evaluations for a picture" in said and "for each tile." in said
    assert f"{twice} evaluations" not in create._tell_cost(*costly, *values(create._switched))
    assert create._tell_cost(*costly, *values(create._switched, hires=True, hires_scale=9)) == ""


def test_create_shows_them_again(create: Create) -> None:
    updates = create.open({"settings": {"prompt": "kept", "hires": True, "hires-scale": 1.5}})
    assert shown(create._switched, updates) == {"hires": True, "hires-scale": 1.5}
    updates = create.reuse(Recipe.read(GIVEN))
    assert "Not restored" not in updates[create.watch.notice]
    assert shown(create._switched, updates)["variation-seed"] == 7
    assert set(create._switched.components) <= set(create.reuse_outputs)
