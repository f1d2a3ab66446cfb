"""docs/add-a-sampler.md, followed to the letter: its file made, its line read, and the result proven."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import torch

from schedulers import Level, Sampler, evaluations, solve
from tests.schedulers.exact import PAIR, levels_between, silence, uniform

PAGE = (Path(__file__).parents[2] / "docs" / "add-a-sampler.md").read_text("utf-8")


def test_the_page_makes_a_sampler_of_the_order_that_it_says(tmp_path: Path) -> None:
    file, line = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[:2]
    (tmp_path / "midpoint.py").write_text(file)
    spec = spec_from_file_location("midpoint", tmp_path / "midpoint.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    (sampler,) = eval(line, {"Sampler": Sampler, "midpoint": module.midpoint})
    assert isinstance(sampler, Sampler)

    errors = []
    for steps in (64, 128, 256):
        levels = levels_between(uniform, 10.0, 0.1, steps)
        x = torch.linspace(-15, 15, 61, dtype=torch.float64).reshape(1, 1, 1, 61) * levels[0].alpha
        found = solve(sampler, PAIR.denoise, x, levels, silence)
        errors.append((found - PAIR.carry(x, levels[0], levels[-1])).abs().max().item())
    slope = -np.polyfit(np.log((64, 128, 256)), np.log(errors), 1)[0]
    assert sampler.order is not None and abs(slope - sampler.order) < 0.15, errors
    whole = [Level(0.0, 1.0), *levels_between(uniform, 10.0, 0.1, 3), Level(1.0, 0.0)]
    assert evaluations(sampler, whole) == 2 + 3 * sampler.evaluations
