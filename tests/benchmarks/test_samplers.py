"""docs/samplers.md is what its command writes: every sampler is there, and figures measured anew agree."""

import math
from pathlib import Path

import pytest

from benchmarks.samplers import BUDGETS, HIGH, LOW, contraction, levels, measure, steps_within, table
from schedulers import SAMPLERS, Strength, evaluations

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


def test_plain_guidance_contracts_as_the_closed_form_says() -> None:
    """(s_c^2 + sigma^2)^(w / 2) (s_u^2 + sigma^2)^((1 - w) / 2) at the end over the same at the start."""

    def size(sigma: float) -> float:
        return (0.3**2 + sigma**2) ** 2.5 * (1 + sigma**2) ** -2

    start = math.hypot(HIGH, 0)  # the first noise is as wide as sigma, the data's part of it aside
    exact = size(LOW) / size(HIGH) * start / math.hypot(0.3, LOW)
    assert contraction("cfg", Strength(5.0)) == pytest.approx(exact, rel=0.02)
    assert contraction("cfg", Strength(1.0)) == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_budget_is_kept_and_used(name: str) -> None:
    if SAMPLERS[name].alone:
        pytest.skip("it asks as often as the picture needs")
    for budget in BUDGETS:
        steps = steps_within(SAMPLERS[name], budget)
        assert steps is not None
        spent = evaluations(SAMPLERS[name], levels(steps))
        assert budget - 3 * SAMPLERS[name].evaluations < spent <= budget
