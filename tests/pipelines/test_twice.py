"""Hires fix draws over its own picture, enlarged; variations lie between two pictures."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models import Parts
from pipelines import Recipe, answer, draw, resolved, story
from pipelines.begin import between, noise_of, salted
from pipelines.cost import cost
from pipelines.edit import Hires, Variation
from pipelines.recipe import MAX_SEED
from pipelines.requests import Decode, EncodeImage, Step
from pipelines.upscale import Upscale
from schedulers import SAMPLERS, first_noise


def told(recipe: Recipe, parts: Parts) -> tuple[Tensor, list[Any]]:
    pipeline, requests, reply = story(recipe, parts), [], None
    while True:
        try:
            requests.append(pipeline.send(reply))
        except StopIteration as done:
            return done.value, requests
        reply = answer(requests[-1], parts)


@pytest.mark.parametrize(("hires", "run", "size"), [
    ({"scale": 2.0, "strength": 0.5}, 2, (160, 128)),
    ({"scale": 1.5, "strength": 0.5, "steps": 6, "upscaler": "lanczos"}, 3, (120, 96)),
    ({"scale": 1.0, "strength": 1.0}, 4, (80, 64)),
])  # fmt: skip
def test_the_second_pass(hires: dict[str, Any], run: int, size: tuple[int, int], tiny: Parts) -> None:
    recipe = Recipe(prompt="a cat", steps=4, width=80, height=64, hires=Hires(**hires))
    pixels, requests = told(recipe, tiny)
    assert tuple(pixels.shape) == (1, 3, size[1], size[0])
    steps = [(request.index, request.of) for request in requests if isinstance(request, Step)]
    assert steps == [(k + 1, 4 + run) for k in range(4 + run)] and sum(recipe.passes()) == 4 + run
    assert sum(isinstance(request, EncodeImage) for request in requests) == (
        hires.get("upscaler") == "lanczos"
    )
    asked = [request for request in requests if isinstance(request, tuple)]
    assert len(asked) == 4 + run == cost(recipe, tiny.table).evaluations
    assert asked[-1][0].x.shape[-2:] == (size[1] // 8, size[0] // 8)


def test_the_second_pass_begins_with_the_first_ones_picture(tiny: Parts) -> None:
    """At its first level it is that picture, enlarged, under noise of its own."""
    recipe = Recipe(prompt="a cat", steps=4, width=64, height=64, hires=Hires(scale=1.0, strength=0.5))
    _, requests = told(recipe, tiny)
    _, plain = told(recipe.model_copy(update={"hires": None}), tiny)
    latents = next(request.latents for request in plain if isinstance(request, Decode))
    ask = [request for request in requests if isinstance(request, tuple)][4][0]
    noise = (ask.x - ask.level.alpha * latents) / ask.level.sigma
    assert abs(noise.std().item() - 1) < 0.15
    overlap = (noise * first_noise([0], (4, 8, 8))).mean().item()
    assert abs(overlap) < 0.2  # not the first pass's


@pytest.mark.parametrize("steps", [0, 4, 7])
def test_the_recipe_kept_says_the_levels_of_both_passes(steps: int, tiny: Parts) -> None:
    hires = Hires(scale=1.5, strength=0.5, steps=steps)
    recipe = Recipe(prompt="a cat", steps=4, width=64, height=64, schedule="karras", hires=hires)
    kept = Recipe.from_json(resolved(recipe, tiny).to_json())
    asked = [request[0].level for request in told(recipe, tiny)[1] if isinstance(request, tuple)]
    assert kept.levels is not None and kept.hires_levels is not None
    run = [*kept.levels[:-1], *kept.hires_levels[:-1]]
    assert np.allclose(np.array([(a.alpha, a.sigma) for a in asked]), np.array(run))
    assert kept.hires_levels[-1] == (1, 0)
    renamed = kept.model_copy(update={"schedule": "exponential"})  # whatever it is called
    assert renamed.passes() == recipe.passes()
    assert draw(renamed, tiny)[0].tobytes() == draw(recipe, tiny)[0].tobytes()


def test_an_upscale_has_no_levels(tiny: Parts) -> None:
    assert resolved(Recipe(upscale=Upscale(picture="0" * 64)), tiny).levels is None


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_draws_twice(sampler: str, tiny: Parts) -> None:
    recipe = Recipe(sampler=sampler, steps=2, width=64, height=64, hires=Hires(scale=1.5, strength=0.5))
    assert draw(recipe, tiny)[0].size == (96, 96)


def test_variations_are_noise_between_two_noises() -> None:
    a, b = first_noise([1, 2], (4, 32, 32))
    assert torch.equal(between(a, b, 0.0), a) and torch.allclose(between(a, b, 1.0), b, atol=1e-5)
    for share in (0.1, 0.5, 0.9):
        assert (
            abs(between(a, b, share).std().item() - 1) < 0.02
        )  # a straight line would give 0.71 in its middle
    near = [(between(a, b, share) - a).norm().item() for share in (0.0, 0.2, 0.6, 1.0)]
    assert near == sorted(near)
    one = Recipe(seed=1, variation=Variation(seed=2, strength=0.3))
    assert torch.allclose(noise_of([one], (4, 32, 32))[0], between(a, b, 0.3))


def test_a_batch_of_variations(tiny: Parts) -> None:
    base = Recipe(prompt="a cat", steps=3, seed=5, width=64, height=64)
    near = base.model_copy(update={"count": 2, "variation": Variation(seed=9, strength=0.1)})
    far = near.model_copy(update={"variation": Variation(seed=9, strength=1.0)})
    plain, (one, two), (away, _) = (
        np.int16(draw(base, tiny)[0]), map(np.int16, draw(near, tiny)), map(np.int16, draw(far, tiny))
    )  # fmt: skip
    assert 0 < np.abs(one - plain).mean() < np.abs(away - plain).mean()
    assert np.abs(one - two).mean() > 0
    [alone] = draw(near.each()[1], tiny)
    assert np.abs(np.int16(alone) - two).max() <= 1
    other = draw(base.model_copy(update={"seed": 9}), tiny)[0]
    assert np.abs(np.int16(other) - away).max() <= 1


def test_salted_seeds_are_other_noise() -> None:
    one, other = first_noise([salted(MAX_SEED, 0), salted(MAX_SEED, 0x9E3779B9)], (4, 32, 32))
    assert abs((one * other).mean().item()) < 0.05 and salted(7, 0) == 7
