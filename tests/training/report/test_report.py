"""The comparison says what was measured, plainly, and its page needs nothing and runs nothing of others."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from training.evaluation.figures import Cost, Figures
from training.evaluation.intervals import Estimate
from training.evaluation.manifold import Manifold
from training.evaluation.memorisation import Memorisation
from training.report import Comparison, Result, Table, page, write_markdown
from training.report.comparison import GAUSSIAN, PIXELS, number
from training.report.page import part
from training.report.plots import plots
from training.report.sheets import film, sheet

NASTY = '<img src=x onerror="alert(1)">|`*[a](javascript:b)'


def near(value: float) -> Estimate:
    return Estimate(value, 0.9 * value, 1.1 * value)


def figures(frechet: float, coverage: float = 0.9) -> Figures:
    cost = Cost(
        parameters=1234567, evaluations=20, milliseconds=3.5, flops_per_picture=1e6, flops_per_step=1e6,
        training_seconds=61.0, training_flops=1e12,
    )  # fmt: skip
    return Figures(
        count=100, features="a classifier", frechet=near(frechet), kid=near(0.001), inception_score=near(3),
        manifold=Manifold(near(0.8), near(0.7), near(0.9), near(coverage)),
        memorisation=Memorisation(near(1.0), near(0.9), near(0.51)), adherence=near(0.97),
        bits_per_dimension=None, reconstruction_psnr=near(21), cost=cost,
    )  # fmt: skip


def result(title: str, kind: str, *each: float, explains: str = "It learns.") -> Result:
    grid = sheet(torch.rand(8, 1, 8, 8) * 2 - 1, 4)
    curve = tuple((k, 1 / k) for k in range(1, 60)) if kind != "baseline" else ()
    made = tuple(figures(one) for one in each)
    return Result(title, kind, explains, "arXiv:1", made, grid, film(torch.zeros(3, 2, 1, 8, 8)), curve)


@pytest.fixture
def comparison() -> Comparison:
    floor = figures(0.5).model_copy(update={"memorisation": None, "adherence": None, "cost": None})
    return Comparison(
        "Digits", "100 pictures.",
        (
            result("Good", "diffusion", 2.0, 4.0), result("Poor", "adversarial", 30.0),
            result(PIXELS, "baseline", 60.0), result(GAUSSIAN, "baseline", 12.0),
        ),
        floor, sheet(torch.zeros(4, 1, 8, 8), 2), (Table("Samplers", ("Sampler",), (("DDIM",),)),),
    )  # fmt: skip


def test_several_seeds_are_their_mean_and_range_and_one_is_its_interval(comparison: Comparison) -> None:
    table = comparison.figures_table()
    rows = {row[0]: row for row in table.rows}
    assert rows["Good"][1] == "3 [2, 4]"
    assert rows["Poor"][1] == "30 [27, 33]"
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert rows["Good"][9] == "–" and rows["Good"][14:] == ("1,234,567", "61", "1e+12", "20", "3.5")
    assert list(rows)[-1] == "Training pictures (the floor)"


def test_verdicts_say_plainly_what_is_not_reached_and_why(comparison: Comparison) -> None:
    good, poor = comparison.verdicts().rows
    assert good[1:] == ("20 ×", "4 ×", "Beats both.")
    assert poor[3].startswith("Does not: only 2 times better than independent pixels, 5 asked and only 0.4")
    blind = replace(comparison.results[1], figures=(figures(30, coverage=0.1),))
    told = replace(comparison, results=(blind, *comparison.results[2:])).verdicts().rows[0][3]
    assert "much of the data's variety is missing" in told


class Outside(HTMLParser):
    """What a page would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("script", "link", "iframe", "object") or any(name.startswith("on") for name in values):
            self.found.append(tag)
        for name in ("src", "href"):
            if not (values.get(name) or "data:").startswith("data:"):
                self.found.append(f"{tag} {values[name]}")


def test_the_page_is_whole_and_escapes_every_word(comparison: Comparison) -> None:
    bad = result(NASTY, "flow", 9.0, explains=NASTY)
    nasty = Table(NASTY, (NASTY,), ((NASTY,),), NASTY)
    text = page(
        replace(comparison, data=NASTY, about=NASTY, results=(*comparison.results, bad), extra=(nasty,))
    )
    outside = Outside()
    outside.feed(text)
    assert outside.found == []
    assert "<img src=x" not in text and "&lt;img src=x" in text
    assert text.startswith("<!doctype html>") and "width=device-width" in text
    assert text.count("data:image/png;base64,") == 1 + 5 + 4 + 3  # real, grids, plots, strips


def test_a_part_of_another_page_has_no_head(comparison: Comparison) -> None:
    text = part(comparison)
    assert "<html" not in text and "<body" not in text and "Beats both." in text


def test_markdown_keeps_words_words_and_its_pictures_are_there(
    comparison: Comparison, tmp_path: Path
) -> None:
    bad = result(NASTY, "flow", 9.0, explains=NASTY)
    text = write_markdown(replace(comparison, results=(*comparison.results, bad)), tmp_path, "images/lab")
    assert re.search(r"(?<!\\)[<|*`]img|(?<!\\)<img", text) is None
    named = re.findall(r"\(images/lab/([^)]+)\)", text)
    assert len(named) == len(set(named)) == 13
    assert {file.name for file in tmp_path.iterdir()} == set(named)
    rows = [line for line in text.splitlines() if line.startswith("| Good")]
    assert rows and rows[0].count("|") == 20


def test_plots_are_drawn_and_do_without_curves(comparison: Comparison) -> None:
    assert set(plots(comparison)) == {
        "quality-flops", "quality-milliseconds", "quality-parameters", "curves",
    }  # fmt: skip
    flat = replace(comparison, results=tuple(replace(one, curve=()) for one in comparison.results))
    assert "curves" not in plots(flat)


def test_sheets_keep_pixels_and_films_have_a_row_for_each_picture() -> None:
    x = torch.full((3, 1, 4, 4), -1.0)
    x[1] = 1
    image = sheet(x, 2, wide=9)
    assert image.size == (9, 9)
    assert image.getpixel((0, 0)) == (0, 0, 0) and image.getpixel((5, 0)) == (255, 255, 255)
    frames = film(torch.zeros(5, 2, 3, 8, 8))
    assert frames.width / frames.height == pytest.approx(5 / 2, rel=0.1)


@pytest.mark.parametrize(
    ("value", "said"), [(1234.4, "1,234"), (0, "0"), (0.0001, "1e-04"), (-0.52, "-0.52")]
)
def test_numbers_are_written_as_a_person_would(value: float, said: str) -> None:
    assert number(value) == said
