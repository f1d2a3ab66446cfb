"""A recipe survives JSON; a bad value is one sentence with the field, what was got and what is allowed."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.edit import steps_run
from pipelines.recipe import (
    CHOICES,
    LISTS,
    MAX_SEED,
    NESTED,
    NOT_CHOSEN,
    PICTURES,
    Recipe,
    RecipeError,
    fields,
    influence_fields,
    part_fields,
    random_seed,
)  # fmt: skip
from schedulers import GUIDANCE, SAMPLERS, Level, Table
from schedulers.level import on_path

SPECS = {spec.name: spec for spec in fields()}
text = st.text(max_size=200)
sizes = st.integers(8, 64).map(lambda k: 8 * k)
recipes = st.builds(
    Recipe,
    model=st.text(min_size=1, max_size=50),
    prompt=text,
    negative=text,
    sampler=st.sampled_from(sorted(SAMPLERS)),
    schedule=st.sampled_from(sorted(CHOICES["schedule"])),
    steps=st.integers(1, 150),
    guidance=st.floats(0, 30),
    rescale=st.floats(0, 1),
    width=sizes,
    height=sizes,
    seed=st.integers(0, MAX_SEED),
    count=st.integers(1, 16),
)


@given(recipes)
def test_json_keeps_everything(recipe: Recipe) -> None:
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe.read(recipe.model_dump()) == recipe


values = st.none() | st.booleans() | st.integers() | st.floats() | text


@given(st.dictionaries(st.sampled_from([*SPECS, "other"]), values))
def test_any_values_give_a_recipe_or_a_recipe_error(values: dict[str, Any]) -> None:
    try:
        assert isinstance(Recipe.read(values), Recipe)
    except RecipeError as error:
        assert "allowed: " in str(error) or "takes no eta" in str(error)


@given(st.text(max_size=50) | st.binary(max_size=20).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_a_recipe_error(words: str) -> None:
    assume(not words.strip().startswith("{"))  # "{}" is a recipe
    with pytest.raises(RecipeError, match="allowed: a JSON object"):
        Recipe.from_json(words)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "Steps: got 0; allowed: a whole number from 1 to 150."),
        ({"steps": 2.5}, "Steps: got 2.5; allowed: a whole number from 1 to 150."),
        ({"steps": "20"}, "Steps: got '20'; allowed: a whole number from 1 to 150."),
        ({"seed": True}, "Seed: got True; allowed: a whole number from 0 to 4294967295."),
        ({"guidance": 1e9}, "Guidance: got 1000000000.0; allowed: a number from 0 to 30."),
        ({"guidance": float("nan")}, "Guidance: got nan; allowed: a number from 0 to 30."),
        ({"width": 9}, "Width: got 9; allowed: a whole number from 64 to 2048 that is a multiple of 8."),
        ({"width": 100}, "Width: got 100; allowed: a whole number from 64 to 2048 that is a multiple of 8."),
        ({"model": ""}, "Model: got ''; allowed: text of 1 to 256 characters."),
        ({"guidance_rule": "best"}, f"Guidance rule: got 'best'; allowed: one of {', '.join(GUIDANCE)}."),
        ({"guidance_low": 2.0, "guidance_high": 1.0},
         "Guide up to sigma: got 1; allowed: more than the 2 of 'Guide above sigma'."),
        ({"eta": 0.5}, "Eta: DPM++ 2M takes no eta, got 0.5; leave it empty."),
        ({"sampler": "ddim", "eta": 2}, "Eta: got 2; allowed: a number from 0 to 1, or empty."),
        ({"noise": "pink"}, "Noise: got 'pink'; allowed: one of fresh, brownian."),
        ({"sampler": "seeds-2", "noise": "brownian"},
         "Noise: got brownian, and SEEDS 2 draws more than once a step or upwards; allowed with it: fresh."),
        ({"version": 2}, "Recipe version: got 2; allowed: 1 (this studio reads no other)."),
        ({"height": 2048, "width": 2048, "count": 5}, "Count: got 5 such pictures; allowed: at most 4."),
    ],
)  # fmt: skip
def test_the_sentence(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as error:
        Recipe.read(values)
    assert str(error.value) == message


def test_a_long_value_is_cut_and_its_length_told() -> None:
    with pytest.raises(RecipeError) as error:
        Recipe.read({"prompt": "x" * 10_000})
    cut = "x" * 39
    assert (
        str(error.value)
        == f"Prompt: got '{cut}… (10000 characters); allowed: text of at most 4000 characters."
    )


def test_every_bad_field_is_named_at_once() -> None:
    with pytest.raises(RecipeError, match=r"Sampler: got 'foo'.*Steps: got 0.*setting 'colour'"):
        Recipe.read({"sampler": "foo", "steps": 0, "colour": "red"})


@pytest.mark.parametrize("words", ["", "{", "[1]", "3", "null", '"steps"'])
def test_what_is_no_object_of_settings(words: str) -> None:
    with pytest.raises(RecipeError, match="allowed: a JSON object of settings"):
        Recipe.from_json(words)


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Recipe().steps = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_the_declarations_describe_every_field() -> None:
    assert list(SPECS) == [name for name in Recipe.model_fields if name not in NOT_CHOSEN]
    assert all(spec.label and spec.help for spec in SPECS.values())
    steps, eta, sampler = SPECS["steps"], SPECS["eta"], SPECS["sampler"]
    assert (steps.type, steps.minimum, steps.maximum, steps.step, steps.default) == (int, 1, 150, 1, 20)
    assert (eta.type, eta.optional, eta.default) == (float, True, None)
    assert sampler.choices == tuple(SAMPLERS.values())
    assert all(spec.step for spec in SPECS.values() if spec.type is not str)
    assert Recipe.read({spec.name: spec.default for spec in SPECS.values()}) == Recipe()


def test_each_picture_is_a_recipe_of_its_own() -> None:
    made = Recipe(seed=MAX_SEED, count=3).each()
    assert [(one.seed, one.count) for one in made] == [(MAX_SEED, 1), (0, 1), (1, 1)]


def test_random_seeds_are_allowed_and_differ() -> None:
    seeds = {random_seed() for _ in range(20)}
    assert len(seeds) > 15
    assert all(Recipe(seed=seed).seed == seed for seed in seeds)


def test_json_is_plain() -> None:
    assert json.loads(Recipe(prompt="a").to_json())["prompt"] == "a"


@pytest.mark.parametrize(("values", "said"), [
    ({"levels": 3}, "^Resolved levels: got 3; allowed: pairs"),
    ({"levels": [[1, "x"]]}, "^Resolved levels: got 'x'; allowed: pairs"),
    ({"sigmas": "1, 2"}, "^Custom sigmas: got sigmas that do not fall"),
    ({"steps": 2, "levels": ((0.0, 1.0), (1.0, 0.0))}, "^Resolved levels: got 2; allowed: 3"),
    ({"steps": 1, "levels": ((1.0, 0.0), (0.0, 1.0))}, "noise does not fall"),
    ({"steps": 1, "levels": ((0.0, 0.0), (1.0, 0.0))}, "neither picture nor noise"),
    ({"hires_levels": ((0.0, 1.0), (1.0, 0.0))}, "^Resolved hires levels: got 2 without Hires fix"),
    ({"steps": 4, "hires": {"strength": 0.5}, "hires_levels": ((0.0, 1.0), (1.0, 0.0))},
     "^Resolved hires levels: got 2; allowed: 3, one more than the steps that Hires fix runs"),
    ({"hires_levels": "all"}, "^Resolved hires levels: got 'all'; allowed: pairs"),
])  # fmt: skip
def test_levels_that_cannot_be_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Recipe.read(values)


CONTROL = {"net": "edges", "picture": "0" * 64}


@pytest.mark.parametrize(("controls", "said"), [
    ([CONTROL | {"weight": 3}], "^ControlNet 1, Weight: got 3; allowed: a number from 0 to 2"),
    ([CONTROL, CONTROL | {"start": 0.5, "end": 0.5}], "^ControlNet 2, End: got 0.5; allowed"),
    ([CONTROL | {"mask": 1}], "^ControlNet 1: got the unknown setting 'mask'; allowed: picture, weight"),
    ([{"net": "edges"}], "^ControlNet 1, Picture: got nothing; allowed: text of exactly 64"),
    ([CONTROL | {"resize": "x"}], "^ControlNet 1, Resize: got 'x'; allowed: one of crop, fit, stretch"),
    ([CONTROL] * 5, "^ControlNets: got .*; allowed: a list of at most 4 ControlNets"),
    ("edges", "^ControlNets: got 'edges'; allowed: a list"),
])  # fmt: skip
def test_controls_that_cannot_be_are_refused(controls: Any, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Recipe.read({"controls": controls})


def test_controls_come_back() -> None:
    recipe = Recipe.read({"controls": [CONTROL, CONTROL | {"weight": 0.5, "balance": "control"}]})
    assert recipe.controls[1].weight == 0.5 and recipe.controls[0].resize == "crop"
    assert Recipe.from_json(recipe.to_json()) == Recipe.read(recipe.model_dump()) == recipe


REFERENCE = {"adapter": "plus", "picture": "0" * 64}


@pytest.mark.parametrize(("references", "said"), [
    ([REFERENCE | {"weight": -1}], "^Reference 1, Weight: got -1; allowed: a number from 0 to 2"),
    ([REFERENCE, REFERENCE | {"start": 0.5, "end": 0.2}], "^Reference 2, End: got 0.2; allowed: more than"),
    ([REFERENCE | {"resize": "fit"}], "^Reference 1: got the unknown setting 'resize'; allowed: picture, "),
    ([REFERENCE | {"adapter": ""}], "^Reference 1, IP-Adapter: got ''; allowed: text of 1 to 256"),
    ([REFERENCE] * 5, "^Reference pictures: got .*; allowed: a list of at most 4 reference pictures"),
    ("plus", "^Reference pictures: got 'plus'; allowed: a list"),
])  # fmt: skip
def test_references_that_cannot_be_are_refused(references: Any, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Recipe.read({"references": references})


def test_references_come_back() -> None:
    recipe = Recipe.read({"references": [REFERENCE, REFERENCE | {"weight": 0.5, "end": 0.5}]})
    assert recipe.references[1].weight == 0.5 and recipe.references[0].end == 1
    assert Recipe.from_json(recipe.to_json()) == Recipe.read(recipe.model_dump()) == recipe


def test_resolved_levels_are_gone_through_whatever_the_schedule_says() -> None:
    table = Table(tuple(on_path("vp", sigma) for sigma in (0.1, 1.0, 10.0)))
    levels = ((0.6, 0.8), (1.0, 0.0))
    recipe = Recipe(steps=1, schedule="karras", levels=levels)
    assert recipe.path(table) == [Level(*level) for level in levels]
    assert Recipe.from_json(recipe.to_json()) == recipe
    with pytest.raises(RecipeError, match="^Resolved levels: got 2; allowed: 3, or none"):
        recipe.model_copy(update={"steps": 2}).path(table)


@pytest.mark.parametrize(("values", "said"), [
    ({"schedule": "fitted", "steps": 2}, "^Schedule: got fitted, and this model has no table"),
    ({"sigmas": "99", "steps": 1}, "^Custom sigmas: got 99; allowed with this model: from 0.1 to 10"),
    ({"steps": 4}, "^Steps: got 4; allowed: from 1 to 3"),
    ({"sigmas": "9", "steps": 4}, "^Steps: got 4; allowed: from 1 to 3"),
])  # fmt: skip
def test_levels_that_the_model_does_not_have_name_their_field(values: dict[str, Any], said: str) -> None:
    table = Table(tuple(on_path("vp", sigma) for sigma in (0.1, 1.0, 10.0)))
    with pytest.raises(RecipeError, match=said):
        Recipe.read(values).path(table)


A_PICTURE = {"picture": "0" * 64}


@pytest.mark.parametrize(("values", "said"), [
    ({"edit": A_PICTURE | {"strength": 2}}, "^Edit, Strength: got 2; allowed: a number from 0 to 1"),
    ({"edit": A_PICTURE | {"strength": 0.04}},
     "^Edit: Strength got 0.04, less than one of 20 steps; allowed: 0, or 0.05 to 1"),
    ({"edit": {}}, "^Edit, Init picture: got nothing; allowed: text of exactly 64"),
    ({"edit": A_PICTURE | {"mask": "x"}}, "^Edit, Mask: got 'x'; allowed: text of exactly 64 .*, or none"),
    ({"edit": A_PICTURE | {"area": "x"}}, "^Edit, Inpaint area: got 'x'; allowed: one of whole, masked"),
    ({"edit": A_PICTURE | {"soft": 1}}, "^Edit, Soft inpainting: got 1; allowed: true or false"),
    ({"edit": A_PICTURE | {"colour": 1}}, "^Edit: got the unknown setting 'colour'; allowed: picture, mask"),
    ({"edit": "a.png"}, "^Edit: got 'a.png'; allowed: a picture to draw over"),
    ({"edit": A_PICTURE, "hires": {}}, "^Hires fix: got one with an edit; allowed: one of the two"),
    ({"hires": {"strength": 0.04}}, "^Hires fix: Strength got 0.04, less than one of 20 steps"),
    ({"width": 2048, "height": 2048, "hires": {"scale": 3.0}},
     "^Hires fix: Hires scale got 3; .*at most 2.00"),
    ({"variation": {"seed": -1}}, "^Variation, Variation seed: got -1; allowed: a whole number from 0"),
    ({"tiles": {"side": 64, "overlap": 40}}, "^Tiles, Tile overlap: got 40; allowed: at most half of the 64"),
    ({"tiles": {}, "seamless": "x"}, "^Tiles: got some with seamless edges; allowed: one of the two"),
    ({"seamless": "z"}, "^Seamless: got 'z'; allowed: one of none, both, x, y"),
])  # fmt: skip
def test_edits_that_cannot_be_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Recipe.read(values)


def test_edits_come_back() -> None:
    edit = A_PICTURE | {"mask": "1" * 64, "strength": 0.5, "content": "fill", "area": "masked", "left": 32}
    recipe = Recipe.read({"edit": edit, "variation": {"seed": 3}, "seamless": "x"})
    assert Recipe.from_json(recipe.to_json()) == Recipe.read(recipe.model_dump()) == recipe
    assert recipe.edit and recipe.edit.margins == (32, 0, 0, 0) and not recipe.edit.everywhere
    assert Recipe.from_json('{"version": 1, "prompt": "a cat"}') == Recipe(prompt="a cat")  # as it was before


def test_the_parts_declare_every_field() -> None:
    for part in ("edit", "variation", "hires", "tiles"):
        specs = part_fields(part)
        assert [spec.name for spec in specs] == list(NESTED[part].model_fields)
        assert all(spec.label and spec.help for spec in specs)
        assert all(spec.step for spec in specs if spec.type in (int, float))


def test_variations_keep_the_seed() -> None:
    made = Recipe.read({"seed": 5, "count": 3, "variation": {"seed": MAX_SEED, "strength": 0.1}}).each()
    assert [(one.seed, one.variation.seed if one.variation else None) for one in made] == [
        (5, MAX_SEED), (5, 0), (5, 1)]  # fmt: skip


@pytest.mark.parametrize(("strength", "steps", "run"), [
    (1.0, 20, 20), (0.75, 20, 15), (0.5, 5, 2), (0.29, 100, 29), (0.99, 10, 9), (0.05, 20, 1), (0.0, 20, 0),
])  # fmt: skip
def test_strength_says_how_many_steps_are_run(strength: float, steps: int, run: int) -> None:
    assert steps_run(strength, steps) == run


def test_every_picture_that_a_part_may_name_is_told() -> None:
    hashes = {
        (name, spec.name)
        for specs, names in ((part_fields, NESTED), (influence_fields, LISTS))
        for name in names
        for spec in specs(name)
        if spec.min_length == spec.max_length == 64
    }
    assert {field for _, field in hashes} == set(PICTURES) and len(hashes) == 7
    recipe = Recipe.read({
        "edit": {"picture": "1" * 64, "sketch": "2" * 64},
        "controls": [{"net": "x", "picture": "3" * 64}, {"net": "x", "picture": "4" * 64}],
        "regions": [{"mask": "5" * 64}],
    })  # fmt: skip
    assert recipe.pictures() == (
        ("Edit, Init picture", "1" * 64), ("Edit, Sketch", "2" * 64), ("ControlNet 1, Picture", "3" * 64),
        ("ControlNet 2, Picture", "4" * 64), ("Region 1, Region mask", "5" * 64),
    )  # fmt: skip
