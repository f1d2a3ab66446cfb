"""docs/add-a-sampler.md, followed to the letter: its file made, its line read, its tests run."""

import re
from dataclasses import replace
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from benchmarks.bundled import FIGURES, Measured
from schedulers import SAMPLERS, Level, Sampler, evaluations
from tests.benchmarks import test_bundled, test_samplers
from tests.schedulers import test_invert, test_order, test_variance
from tests.schedulers.exact import karras, levels_between, uniform

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "add-a-sampler.md").read_text("utf-8")


@pytest.fixture
def midpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sampler:
    """The page's sampler, in the table."""
    file, line = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[:2]
    (tmp_path / "midpoint.py").write_text(file)
    spec = spec_from_file_location("midpoint", tmp_path / "midpoint.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    (sampler,) = eval(line, {"Sampler": Sampler, "midpoint": module.midpoint})
    assert isinstance(sampler, Sampler)
    monkeypatch.setitem(SAMPLERS, sampler.name, sampler)
    return sampler


def test_the_shared_tests_hold_it_to_what_its_line_says(
    midpoint: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = midpoint.name
    for curve in (uniform, karras):
        test_order.test_the_mixture_is_reached_at_the_claimed_order(name, curve, "flow")
    test_order.test_every_path_gives_the_same_picture(name)
    test_order.test_rows_do_not_see_each_other(name)
    test_order.test_few_steps_to_an_end_that_keeps_noise(name, 2)
    for steps in (1, 2):
        test_order.test_few_steps_work_from_any_start(name, steps, Level(0.0, 1.0))
    test_invert.test_the_latent_is_where_the_ode_comes_from(name, "vp")
    whole = [Level(0.0, 1.0), *levels_between(uniform, 10.0, 0.1, 3), Level(1.0, 0.0)]
    assert evaluations(midpoint, whole) == 2 + 3 * midpoint.evaluations
    monkeypatch.setitem(SAMPLERS, name, replace(midpoint, order=3))
    with pytest.raises(AssertionError):
        test_order.test_the_mixture_is_reached_at_the_claimed_order(name, uniform, "vp")


def test_a_stochastic_one_needs_no_number_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAMPLERS, "fresh", replace(SAMPLERS["dpmpp-2m-sde"], name="fresh"))
    test_variance.test_the_error_at_16_steps_is_no_worse_than_known("fresh")
    test_variance.test_the_error_falls_at_the_claimed_order("fresh", uniform)


def test_what_is_not_measured_yet_says_what_to_run(midpoint: Sampler) -> None:
    commands = re.findall(r"^python -m ([a-z.]+)", PAGE, re.MULTILINE)
    assert commands == ["benchmarks.starter", "benchmarks.samplers"] and all(map(find_spec, commands))
    with pytest.raises(AssertionError, match=f"run python -m {commands[1]}"):
        test_samplers.test_every_sampler_stands_on_the_page(midpoint.name)
    with pytest.raises(AssertionError, match=f"run python -m {commands[0]}"):
        test_bundled.test_every_sampler_and_schedule_was_measured(Measured(ROOT / FIGURES))
