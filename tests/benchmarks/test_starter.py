"""The measuring of samplers on a model, on a tiny one: that it measures what it says."""

from typing import Any

import pytest

from benchmarks import starter
from benchmarks.starter import Bench, converged, within
from models import Parts
from schedulers import SAMPLERS, SCHEDULES, Level, evaluations
from training.starter.evaluation import cases
from training.starter.judge import JudgeNet
from training.starter.table import GRID, fit


@pytest.fixture
def bench(tiny: Parts, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(starter, "TEACHER", 12)
    return Bench(tiny, JudgeNet().eval(), cases()[:2])


def test_the_distance_is_to_the_teacher(bench: Bench, tiny: Parts) -> None:
    assert bench.measure(SAMPLERS["heun"], SCHEDULES["model"](tiny.table, 12))["distance"] == 0
    coarse, fine = (bench.measure(SAMPLERS["euler"], SCHEDULES["model"](tiny.table, n)) for n in (2, 12))
    assert coarse["distance"] > fine["distance"] > 0
    assert (coarse["steps"], fine["steps"]) == (2, 12)
    noisy = bench.measure(SAMPLERS["euler-a"], SCHEDULES["model"](tiny.table, 2))
    assert noisy["distance"] is None and 0 <= noisy["adherence"] <= 1


@pytest.mark.parametrize("name", ["euler", "heun", "dpmpp-2s", "seeds-3", "pndm"])
@pytest.mark.parametrize("budget", [1, 4, 10])
def test_as_many_steps_as_a_budget_pays_for(tiny: Parts, name: str, budget: int) -> None:
    def path(steps: int) -> list[Level]:
        return SCHEDULES["model"](tiny.table, steps)

    levels = within(SAMPLERS[name], path, budget)
    assert levels is not None and evaluations(SAMPLERS[name], levels) <= budget
    assert evaluations(SAMPLERS[name], path(len(levels))) > budget  # one step more


def test_the_table_of_a_model_falls_within_what_it_knows(tiny: Parts) -> None:
    sigmas = fit(tiny, 6, 2)
    low, high = tiny.table.ends
    assert len(sigmas) == 5 < GRID
    assert all(a > b for a, b in zip(sigmas, sigmas[1:], strict=False))
    assert low * 0.999 <= sigmas[-1] and sigmas[0] <= high * 1.001


def test_converged_is_where_more_steps_change_little_any_more() -> None:
    def rows(*distances: float | None) -> dict[str, dict[str, Any]]:
        return {str(n): {"steps": n, "distance": d} for n, d in zip((4, 6, 10, 20), distances, strict=True)}

    found = converged({
        "good": rows(0.5, 0.2, 0.05, 0.01), "by luck": rows(0.19, 0.3, 0.18, 0.02),
        "never": rows(0.5, 0.4, 0.3, 0.21), "noisy": rows(None, None, None, None),
    })  # fmt: skip
    assert found == {"good": 6, "by luck": 10}
