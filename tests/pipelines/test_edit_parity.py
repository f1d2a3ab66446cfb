"""img2img and inpainting are diffusers' own, on tiny random models, where the two mean the same."""

from pathlib import Path

import pytest

from benchmarks.parity.edits import CASES
from benchmarks.parity.latents import TOLERANCE, Case, Models


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_latents_are_those_of_diffusers(case: Case, tmp_path: Path) -> None:
    pair = case.run(Models(tmp_path))
    assert pair.difference < TOLERANCE < pair.effect / 10
