"""A series of recipes: a few at a time, each kept or its fault told, whoever looks."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine import Engine, Series, axis, cells
from engine.series import AT_ONCE
from gallery import Gallery
from models import Parts, load
from pipelines import Recipe, draw
from tests.engine.conftest import Network
from tests.tiny import write_tiny


@pytest.fixture
def engine(tiny: Parts, tmp_path: Path) -> Iterator[Engine]:
    with Engine(lambda name: tiny, Gallery(tmp_path), rows=8) as running:
        yield running


def test_every_recipe_is_drawn_and_kept_in_its_place(engine: Engine, a_recipe: Callable[..., Recipe]) -> None:
    recipes = [a_recipe(seed=k, steps=2) for k in range(7)]
    series = Series(engine, recipes, "ann")
    assert series.wait(60) and series.faults == {}
    assert [series.entries[k].recipe.seed for k in range(7)] == list(range(7))


def test_it_leaves_room_for_its_person_and_draws_together(
    engine: Engine, network: Network, a_recipe: Callable[..., Recipe]
) -> None:
    network.before = lambda rows, context: time.sleep(0.02)
    series = Series(engine, [a_recipe(seed=k, steps=3) for k in range(10)], "ann")
    most = 0
    while not series.ended:
        most = max(most, sum(not job.ended for job in engine.jobs("ann")))
        time.sleep(0.005)
    assert 1 < most <= AT_ONCE and max(network.calls) > 2
    assert len(series.entries) == 10


def test_one_that_cannot_be_drawn_stops_no_other(engine: Engine, a_recipe: Callable[..., Recipe]) -> None:
    engine.submit(a_recipe()).result(60)  # the model is there now, so that a bad size is told at once
    recipes = [a_recipe(), a_recipe(prompt="__nowhere__"), a_recipe(seed=9)]
    series = Series(engine, recipes, "ann")
    assert series.wait(60) and set(series.entries) == {0, 2}
    assert "nowhere" in series.faults[1]


def test_what_was_made_before_a_stop_stays(
    engine: Engine, network: Network, a_recipe: Callable[..., Recipe]
) -> None:
    network.before = lambda rows, context: time.sleep(0.05)
    series = Series(engine, [a_recipe(seed=k, steps=1 + 40 * (k > 1)) for k in range(12)], "ann")
    while not series.entries:
        time.sleep(0.01)
    series.cancel()
    assert series.wait(20) and 1 <= len(series.entries) < 12
    assert not any(not job.ended for job in engine.jobs("ann"))


def test_a_closed_engine_ends_it(tiny: Parts, a_recipe: Callable[..., Recipe]) -> None:
    engine = Engine(lambda name: tiny)
    with ThreadPoolExecutor(1):
        engine.close()
    series = Series(engine, [a_recipe(), a_recipe()], "ann")
    assert series.wait(20) and set(series.faults) == {0, 1}


def test_a_grid_over_two_models_draws_each_by_its_own(
    tiny: Parts, a_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    """The other one answers in another parametrisation; a model is loaded once, whatever the order."""
    other = {"prediction_type": "epsilon", "rescale_betas_zero_snr": False}
    second = load(str(write_tiny(tmp_path / "second", **other)), device="cpu", dtype=torch.float32)
    models, wanted = {"one": tiny, "two": second}, []
    made = cells(a_recipe(), [axis("seed", "1, 2"), axis("model", "one, two")])
    gallery = Gallery(tmp_path / "gallery")
    with Engine(lambda name: wanted.append(name) or models[name], gallery) as engine:
        series = Series(engine, [cell.recipe for cell in made], "ann")
        assert series.wait(120) and series.faults == {}
    assert sorted(wanted) == ["one", "two"]
    for number, cell in enumerate(made):
        entry = series.entries[number]
        assert (entry.recipe.model, entry.recipe.seed) == (("one", "two")[cell.place[1]], cell.place[0] + 1)
        [alone] = draw(cell.recipe, models[cell.recipe.model])
        with Image.open(entry.path) as kept:
            assert np.abs(np.int16(kept) - np.int16(alone)).max() <= 1
    first, below = (Image.open(series.entries[k].path).tobytes() for k in (0, 2))
    assert first != below  # of the same seed
    gallery.close()
