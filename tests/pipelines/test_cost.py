"""What a drawing is said to cost is what it asks for, counted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models import Parts, table
from pipelines import Recipe, RecipeError, answer, resolved, story
from pipelines.cost import Cost, cost
from pipelines.edit import Hires, Tiles
from schedulers import GUIDANCE, SAMPLERS, SCHEDULES, Table

STARTER = Path(__file__).parents[2] / "models" / "starter"
HIGH = 5.0  # the starter's guidance is at and below this sigma
SMALL: dict[str, Any] = {"width": 64, "height": 64}


@pytest.fixture(scope="module")
def starter() -> Table:
    found = table("starter")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def parts(tiny: Parts, starter: Table) -> Parts:
    """The tiny model with the starter's levels, and a weak companion to be asked for."""
    parametrisation = replace(tiny.parametrisation, table=starter)
    return replace(tiny, parametrisation=parametrisation, weak=tiny.unet)


def counted(recipe: Recipe, parts: Parts) -> tuple[int, int]:
    """(evaluations, passes) that the drawing itself asks for; every x0 is told to be nothing."""
    pipeline, reply, evaluations, passes = story(recipe, parts), None, 0, 0
    while True:
        try:
            request = pipeline.send(reply)
        except StopIteration:
            return evaluations, passes
        if isinstance(request, tuple):
            evaluations, passes = evaluations + 1, passes + len(request)
            reply = tuple(torch.zeros_like(ask.x) for ask in request)
        else:
            reply = answer(request, parts)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_asks_as_often_as_is_said(sampler: str, parts: Parts, starter: Table) -> None:
    for steps, high in ((1, HIGH), (20, HIGH), (7, None)):
        recipe = Recipe(sampler=sampler, steps=steps, guidance=4.0, guidance_high=high, **SMALL)
        said, (evaluations, passes) = cost(recipe, starter), counted(recipe, parts)
        if SAMPLERS[sampler].alone:
            assert said == Cost(None, None, 2, True) and passes <= 2 * evaluations
        else:
            assert said == Cost(evaluations, passes, 2, True)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_passes_the_interval_where_it_does(
    schedule: str, parts: Parts, starter: Table
) -> None:
    within = {"guidance_low": 0.4, "guidance_high": 3.0}
    recipe = Recipe(sampler="restart", schedule=schedule, steps=10, **within, **SMALL)
    said = cost(recipe, starter)
    assert (said.evaluations, said.passes) == counted(recipe, parts)


@pytest.mark.parametrize("guidance", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("rule", GUIDANCE)
@pytest.mark.parametrize("prompt", ["a", "a AND b :0.5 AND c"])
def test_every_rule_asks_its_branches(
    rule: str, guidance: float, prompt: str, parts: Parts, starter: Table
) -> None:
    guided = {"guidance_rule": rule, "guidance": guidance, "guidance_high": HIGH}
    recipe = Recipe(prompt=prompt, steps=6, **guided, **SMALL)
    said = cost(recipe, starter)
    assert (said.evaluations, said.passes) == counted(recipe, parts)


@pytest.mark.parametrize("again", [
    {"hires": Hires(scale=1.0, strength=0.5)}, {"hires": Hires(scale=1.0, strength=0.5, steps=9)},
    {"sigmas": "inf, 4.9, 1, 0.2"}, {"sampler": "dpmpp-2s", "noise": "fresh", "sigmas": "20, 5.1"},
])  # fmt: skip
def test_both_passes_and_sigmas_of_ones_own(again: dict[str, Any], parts: Parts, starter: Table) -> None:
    recipe = Recipe(**{"sampler": "heun", "steps": 4, "guidance_high": HIGH} | SMALL | again)
    for one in (recipe, resolved(recipe, parts)):
        said = cost(one, starter)
        assert (said.evaluations, said.passes) == counted(one, parts)


@pytest.mark.parametrize(("values", "sure"), [
    ({}, True), ({"prompt": "a {red|blue} cat"}, True), ({"prompt": "{a|b AND c}"}, False),
    ({"prompt": "a __colour__ cat"}, False), ({"tiles": Tiles()}, False),
    ({"regions": ({"mask": "0" * 64, "prompt": "b"},)}, False),
])  # fmt: skip
def test_what_a_recipe_does_not_tell_is_about(values: dict[str, Any], sure: bool, starter: Table) -> None:
    recipe = Recipe.read(values)
    assert cost(recipe, starter).sure is sure and not cost(recipe, None).sure


@pytest.mark.parametrize(("values", "told"), [
    ({"steps": 20}, (20, 40)),
    ({"steps": 20, "guidance": 1.0}, (20, 20)),
    ({"sampler": "heun", "steps": 7}, (13, 26)),
    ({"upscale": {"picture": "0" * 64}}, (0, 0)),
    ({"edit": {"picture": "0" * 64, "strength": 0.5}, "sampler": "heun", "steps": 8}, (7, 14)),
    ({"edit": {"picture": "0" * 64, "strength": 0.0}}, (0, 0)),
])  # fmt: skip
def test_without_a_table_it_is_as_with_the_usual_one(values: dict[str, Any], told: tuple[int, int]) -> None:
    said = cost(Recipe.read(values), None)
    assert (said.evaluations, said.passes) == told and not said.sure


def test_levels_that_the_model_does_not_have_are_said(starter: Table) -> None:
    with pytest.raises(RecipeError, match="Custom sigmas: got 0.0001; allowed with this model"):
        cost(Recipe(sigmas="3, 0.0001"), starter)


def test_the_starters_own_settings_skip_the_negative_prompt_at_much_noise(starter: Table) -> None:
    recipe = Recipe(schedule="trailing", steps=20, guidance=4.0, guidance_high=HIGH)
    alone = sum(level.ve_sigma > HIGH for level in recipe.path(starter)[:-1])
    assert alone > 0 and cost(recipe, starter) == Cost(20, 40 - alone, 2, True)
