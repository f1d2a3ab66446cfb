"""docs/samplers.md is what its command writes: every sampler is there, and figures measured anew agree."""

from pathlib import Path

import pytest

from benchmarks.samplers import BUDGETS, levels, measure, steps_within, table
from schedulers import SAMPLERS, evaluations

PAGE = (Path(__file__).parents[2] / "docs" / "samplers.md").read_text("utf-8")


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_stands_on_the_page(name: str) -> None:
    sampler = SAMPLERS[name]
    begins = f"| {sampler.label} | `{name}` | {sampler.order or '-'} | {sampler.evaluations} |"
    assert PAGE.count(begins) == 1, "run python -m benchmarks.samplers"


@pytest.mark.parametrize("name", ["euler", "heun", "ipndm", "dpmpp-2m", "euler-a", "seeds-3"])
def test_the_figures_are_those_measured_now(name: str) -> None:
    [line] = table([measure(SAMPLERS[name])], "error")[2:]
    assert line in PAGE.splitlines(), "run python -m benchmarks.samplers"


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_budget_is_kept_and_used(name: str) -> None:
    for budget in BUDGETS:
        steps = steps_within(SAMPLERS[name], budget)
        assert steps is not None
        spent = evaluations(SAMPLERS[name], levels(steps))
        assert budget - 3 * SAMPLERS[name].evaluations < spent <= budget
