"""A grid's axes: what is typed for them, and the recipes they make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.grid import MOST, axes, axis, cells
from pipelines.recipe import Recipe, RecipeError

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
