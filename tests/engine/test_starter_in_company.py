"""Batch invariance where it is promised to users: the bundled model, in the number format it is run in."""

import numpy as np
import pytest

from engine import Engine
from models import load
from models.load import STARTER
from pipelines import Recipe, draw

pytestmark = pytest.mark.skipif(not STARTER.is_dir(), reason="the starter is not trained yet")

FLOOR = 40  # dB: a mean difference of about 2.5 of 255; bfloat16 rounds by the shape of the batch


def test_a_picture_is_the_same_alone_and_in_company() -> None:
    parts = load("starter")
    recipes = [
        Recipe(prompt="three red apples on a blue background", seed=1, steps=8),
        Recipe(prompt="a cat", seed=2, steps=6, sampler="euler-a", guidance=3.0),
        Recipe(prompt="a rocket in a starry night", seed=3, steps=5, sampler="heun"),
        Recipe(prompt="a tree, pixel art", seed=4, steps=7, sampler="dpmpp-2m-sde", guidance=1.0),
    ]
    alone = [np.asarray(draw(recipe, parts)[0], float) for recipe in recipes]
    with Engine(lambda _: parts, rows=16) as engine:
        jobs = [engine.submit(recipe, user=str(k)) for k, recipe in enumerate(recipes)]
        together = [np.asarray(job.result(timeout=120)[0], float) for job in jobs]
    for one, other in zip(alone, together, strict=True):
        error = float(((one - other) ** 2).mean())
        assert error == 0 or 10 * np.log10(255**2 / error) >= FLOOR
