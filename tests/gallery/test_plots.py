"""A grid's sheet is found again by its key; what is damaged, or no key of ours, is none."""

from pathlib import Path

import pytest

from gallery.plots import Plot, Plots

PLOT = Plot(("Steps", "Seed"), (("1", "2"), ("7",)), (((0, 0, 0), "ab" * 16), ((1, 0, 0), "cd" * 16)))


def test_a_plot_is_found_again(tmp_path: Path) -> None:
    plots = Plots(tmp_path / "grids")
    assert plots.read("nobody-knows") is None and not (tmp_path / "grids").exists()
    plots.write("a_key-of-ours", PLOT)
    assert Plots(tmp_path / "grids").read("a_key-of-ours") == PLOT
    assert plots.read("../grids/a_key-of-ours") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"names": ["x"], "labels": [], "entries": []}',
        '{"names": ["x"], "labels": [["1"]], "entries": [[[0, 0], "a"]]}',
        '{"names": ["x"], "labels": [["1"]], "entries": [[[0, 0, 0], "../../secret"]]}',
        '{"names": ["x"], "labels": [["1"]], "entries": 7}',
    ],
)
def test_a_damaged_one_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "a_key-of-ours.json").write_text(text)
    assert Plots(tmp_path).read("a_key-of-ours") is None
