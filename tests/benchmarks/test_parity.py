"""docs/parity.md is what its command writes: every case is there, and within the tolerance."""

import re
from pathlib import Path

import pytest

from benchmarks.parity.latents import TOLERANCE, Case, Models
from benchmarks.parity.table import GROUPS, page, row

PAGE = (Path(__file__).parents[2] / "docs" / "parity.md").read_text("utf-8")
ROW = re.compile(r"^\| (.+) \| (\d\.\de-\d\d) \| ([\d.e-]+) \|$", re.MULTILINE)
CASES = [case for cases in GROUPS.values() for case in cases]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_every_case_stands_on_the_page_once_and_agrees(case: Case) -> None:
    rows = [found for found in ROW.findall(PAGE) if found[0] == case.what]
    assert len(rows) == 1, "run make parity"
    assert float(rows[0][1]) < TOLERANCE < float(rows[0][2]) / 10


def test_the_page_has_no_other_rows_and_is_what_the_command_writes() -> None:
    rows = {what: (float(difference), float(effect)) for what, difference, effect in ROW.findall(PAGE)}
    assert rows.keys() == {case.what for case in CASES}
    again = page((group, c.what, *rows[c.what]) for group, cases in GROUPS.items() for c in cases)
    version = r"diffusers \d[\w.]*\."
    assert re.sub(version, "", again.replace("\n", " ")) == re.sub(version, "", PAGE.replace("\n", " "))


def test_a_case_measured_anew_is_of_the_size_on_the_page(tiny_models: Models) -> None:
    """Rounding differs between machines; what the case changes does not."""
    case = next(case for case in CASES if case.what == "IP-Adapter, SD 1.5: base")
    pair = case.run(tiny_models)
    [(difference, effect)] = [found[1:] for found in ROW.findall(PAGE) if found[0] == case.what]
    assert pair.difference < 100 * float(difference)
    assert pair.effect == pytest.approx(float(effect), rel=0.05)
    assert row("x", 1.26e-7, 0.104) == "| x | 1.3e-07 | 0.1 |"
