"""What docs/samplers.md tells of the bundled model is what was measured, and nothing that was not."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bundled import AWAITED, BUDGETS, FIGURES, Measured
from schedulers import SAMPLERS, SCHEDULES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "samplers.md").read_text("utf-8")


@pytest.fixture(scope="module")
def measured() -> Measured:
    return Measured(ROOT / FIGURES)


def test_the_page_tells_what_was_measured(measured: Measured) -> None:
    assert "\n".join(measured.section()) in PAGE, "run python -m benchmarks.samplers"


def test_every_sampler_and_schedule_was_measured(measured: Measured) -> None:
    known = [name for name, sampler in SAMPLERS.items() if not sampler.alone]
    assert list(measured.samplers) == known, "run python -m benchmarks.starter"
    assert list(measured.schedules) == [name for name in SCHEDULES if name not in AWAITED], (
        "run python -m benchmarks.starter"
    )
    for name, rows in measured.samplers.items():
        assert set(rows) <= set(BUDGETS) and "20" in rows
        assert all((row["distance"] is None) == SAMPLERS[name].stochastic for row in rows.values())


def rows(*seen: float, distance: float | None = 0.5) -> dict[str, dict[str, Any]]:
    return {
        b: {"steps": int(b), "distance": distance, "adherence": s} for b, s in zip(BUDGETS, seen, strict=True)
    }


def test_what_sees_most_is_recommended_and_what_fails_is_named(tmp_path: Path) -> None:
    samplers = {name: rows(0.6, 0.7, 0.9, 1.0, 1.0) for name in SAMPLERS if not SAMPLERS[name].alone}
    samplers["euler"] = rows(0.6, 0.8, 0.9, 0.96, 1.0)
    samplers["lms"] = rows(0, 0, 0, 0.04, 0.9)
    samplers["heun"] = rows(0.6, 0.7, 0.9, 1.0, 1.0, distance=0.1)
    samplers["unipc-2"] = rows(0, 1.0, 1.0, 0.9, 0.9)
    file = tmp_path / "figures.json"
    file.write_text(json.dumps({"samplers": samplers, "schedules": {}}))
    six, ten, twenty, enough, poor = Measured(file).recommended()
    assert six.startswith("- At 6 evaluations: UniPC 2 (100 %, distance 0.50), Euler (80 %")
    assert ten.startswith("- At 10 evaluations: UniPC 2 (100 %")
    assert twenty.startswith("- At 20 evaluations: Heun (100 %, distance 0.10), ")
    assert "DPM++ 2M from 20, Euler from 20, Heun from 20, UniPC 2 from more than 40" in enough
    assert poor == "- At 20 evaluations fewer than 50 % are seen with LMS (4 %, distance 0.50)."
