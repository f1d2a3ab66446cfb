"""A grid's axes: what is typed for them, and the recipes they make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.edit import Edit, Hires, Variation
from pipelines.grid import MOST, axes, axis, cells
from pipelines.recipe import Control, Recipe, RecipeError, Reference, Region

RECIPE = Recipe(prompt="a cat on <lora:ink:0.5> paper", negative="cat food", seed=5, count=4)


def values(name: str, text: str) -> list[object]:
    return [cell.recipe.model_dump()[name] for cell in cells(RECIPE, [axis(name, text)])]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("steps", "4, 8,15", [4, 8, 15]),
        ("steps", "4-20 (+4)", [4, 8, 12, 16, 20]),
        ("steps", "1-3, 10", [1, 2, 3, 10]),
        ("guidance", "1-3 [5]", [1, 1.5, 2, 2.5, 3]),
        ("guidance", "7-5 (-1)", [7, 6, 5]),
        ("seed", "100-102", [100, 101, 102]),
        ("sampler", "Euler, heun, DPM++ 2M", ["euler", "heun", "dpmpp-2m"]),
        ("guidance_low", "none, 0.5", [None, 0.5]),
        ("model", 'starter, "a, b"', ["starter", "a, b"]),
    ],
)
def test_values(name: str, text: str, expected: list[object]) -> None:
    assert values(name, text) == expected


def test_three_axes_are_told_row_by_row() -> None:
    sides = [axis("steps", "5, 6"), axis("sampler", "euler, heun"), axis("seed", "1-3")]
    made = cells(RECIPE, sides)
    assert len(made) == 12 and [cell.place for cell in made[:4]] == [
        (0, 0, 0),
        (1, 0, 0),
        (0, 1, 0),
        (1, 1, 0),
    ]
    for cell in made:
        x, y, z = cell.place
        assert (cell.recipe.steps, cell.recipe.sampler, cell.recipe.seed) == (
            5 + x,
            ["euler", "heun"][y],
            1 + z,
        )
        assert cell.recipe.count == 1
    assert sides[1].labels == ("Euler", "Heun")


def test_words_are_searched_and_the_first_stay() -> None:
    made = cells(RECIPE, [axis("replace", "cat, dog, red panda")])
    assert [cell.recipe.prompt.split(" on")[0] for cell in made] == ["a cat", "a dog", "a red panda"]
    assert made[1].recipe.negative == "dog food"


def test_every_lora_of_the_prompt_is_weighed() -> None:
    made = cells(RECIPE, [axis("lora", "0, 0.25, 1")])
    assert [cell.recipe.prompt for cell in made] == [
        f"a cat on <lora:ink:{weight}> paper" for weight in ("0", "0.25", "1")
    ]
    others = Recipe(prompt="<lora:a><lora:b:partial><lora:c:1:0.5><lora:d:1:0.5:partial>")
    [made] = cells(others, [axis("lora", "2")])
    assert made.recipe.prompt == "<lora:a:2><lora:b:2:partial><lora:c:2><lora:d:2:partial>"


MANY = Recipe(
    controls=(Control(net="a", picture="1" * 64), Control(net="b", picture="2" * 64, weight=0.5)),
    references=(Reference(adapter="c", picture="3" * 64),), regions=(Region(mask="4" * 64),),
    variation=Variation(seed=3), hires=Hires(),
)  # fmt: skip
EDITED = Recipe(edit=Edit(picture="1" * 64, feather=3))


@pytest.mark.parametrize(
    ("recipe", "name", "text", "label", "expected"),
    [
        (EDITED, "edit.strength", "0.2-0.6 (+0.2)", "Edit strength", [0.2, 0.4, 0.6]),
        (EDITED, "edit.content", "fill, Latent noise", "Edit masked content", ["fill", "noise"]),
        (MANY, "hires.scale", "1.5, 2", "Hires scale", [1.5, 2.0]),
        (MANY, "hires.strength", "0.3, 0.6", "Hires strength", [0.3, 0.6]),
        (MANY, "hires.upscaler", "Lanczos", "Hires fix upscaler", ["lanczos"]),
        (MANY, "variation.strength", "0-1 [3]", "Variation strength", [0.0, 0.5, 1.0]),
        (MANY, "variation.seed", "5-7", "Variation seed", [5, 6, 7]),
        (MANY, "controls.weight", "0.5, 1", "ControlNet weight", [0.5, 1.0]),
        (MANY, "controls.start", "0, 0.5", "ControlNet start", [0.0, 0.5]),
        (MANY, "controls.end", "0.5, 1", "ControlNet end", [0.5, 1.0]),
        (MANY, "references.weight", "0.5", "Reference weight", [0.5]),
        (MANY, "regions.weight", "0.5", "Region weight", [0.5]),
    ],
)
def test_parts_of_a_recipe_are_varied_and_nothing_else_of_them(
    recipe: Recipe, name: str, text: str, label: str, expected: list[object]
) -> None:
    side = axis(name, text)
    assert side.name == label == axes()[name]
    part, _, field = name.partition(".")
    for cell, value in zip(cells(recipe, [side]), expected, strict=True):
        before, after = recipe.model_dump(), cell.recipe.model_dump()
        changed = [one for one in before if before[one] != after[one]]
        assert changed in ([part], [])  # one of the values may be what it was
        some = after[part] if isinstance(after[part], tuple) else (after[part],)
        was = before[part] if isinstance(before[part], tuple) else (before[part],)
        assert some == tuple(one | {field: value} for one in was)


def test_two_parts_are_varied_together() -> None:
    made = cells(MANY, [axis("controls.weight", "0, 1"), axis("controls.end", "0.5, 1")])
    assert [[(one.weight, one.end) for one in cell.recipe.controls] for cell in made] == [
        [(0.0, 0.5)] * 2, [(1.0, 0.5)] * 2, [(0.0, 1.0)] * 2, [(1.0, 1.0)] * 2,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("edit.strength", "0.5", "Edit strength: got settings without Edit; allowed: some with it"),
        ("hires.scale", "2", "Hires scale: got settings without Hires fix; allowed"),
        ("controls.weight", "1", "ControlNet weight: got settings without ControlNet; allowed"),
        ("controls.weight", "much", "ControlNet weight: got 'much'; allowed: a number or a range"),
        ("edit.wings", "1", "Axis: got 'edit.wings'; allowed: "),
        ("edit.picture", "1", "Axis: got 'edit.picture'; allowed: "),
    ],
)
def test_what_a_recipe_has_not_is_not_varied(name: str, text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        cells(RECIPE, [axis(name, text)])


def test_a_value_that_a_part_does_not_allow_is_said() -> None:
    with pytest.raises(RecipeError, match="^Edit, Strength: got 1.5; allowed: a number from 0 to 1"):
        cells(EDITED, [axis("edit.strength", "1.5")])
    with pytest.raises(RecipeError, match="^ControlNet 1, End: got 0; allowed: more than the 0 of 'Start'"):
        cells(MANY, [axis("controls.end", "0")])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("wings", "1", "Axis: got 'wings'; allowed: model"),
        ("steps", " ,", "Steps: got no values"),
        ("steps", "many", "Steps: got 'many'; allowed: a number or a range"),
        ("steps", "0", "Steps: got 0; allowed: a whole number from 1 to 150."),
        ("steps", "1-5 (-1)", "Steps: got '1-5 \\(-1\\)'"),
        ("seed", "1-100000", "Seed: got '1-100000'"),
        ("guidance", "0-1 [1000000]", "Guidance: got '0-1"),
        ("sampler", "best", "Sampler: got 'best'; allowed: one of"),
        ("replace", "dog, cat", "got 'dog'; allowed: words of the prompt"),
    ],
)
def test_what_may_not_be_is_said(name: str, text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        cells(RECIPE, [axis(name, text)])


def test_a_grid_has_a_bound() -> None:
    with pytest.raises(RecipeError, match=f"got 121 pictures; allowed: at most {MOST}"):
        cells(RECIPE, [axis("seed", "0-10"), axis("steps", "1-11")])
    with pytest.raises(RecipeError, match="without LoRAs"):
        cells(Recipe(prompt="a cat"), [axis("lora", "1")])


@given(st.sampled_from(sorted(axes())), st.text(max_size=60))
def test_no_text_crashes_it(name: str, text: str) -> None:
    try:
        made = cells(RECIPE, [axis(name, text)])
    except RecipeError:
        return
    assert 1 <= len(made) <= MOST
