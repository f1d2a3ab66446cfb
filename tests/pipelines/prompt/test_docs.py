"""docs/prompts.md says what is read: each line of its tables is run."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines.prompt import by_seed, expanded, parts, runs, stages, without_asides

PAGE = (Path(__file__).parents[3] / "docs" / "prompts.md").read_text("utf-8")
WILDCARDS = {"animal": ("a cat", "a dog", "an owl")}


def weights(text: str) -> str:
    said = [
        ", ".join(run.words.strip() + ("" if run.weight == 1 else f" × {run.weight:.3g}") for run in part)
        for part in runs(text)
    ]
    return " / ".join(said)


def by_step(text: str) -> str:
    told = stages(text, 10)
    firsts = [1, *(stage.last + 1 for stage in told)]
    steps = [f"{a}-{b - 1}" if b - 1 > a else f"{a}" for a, b in pairwise(firsts)]
    return ", ".join(f"{span} {stage.text}" for span, stage in zip(steps, told, strict=True))


def by_picture(text: str) -> str:
    return "; ".join(expanded(text, by_seed(seed, "Prompt"), WILDCARDS).strip() for seed in (1, 2, 3))


def joined(text: str) -> str:
    return ", ".join(f"{part.text} × {part.weight:g}" for part in parts(text))


READ: dict[str, Callable[[str], str]] = {
    "Weights": weights,
    "From step to step": by_step,
    "From picture to picture": by_picture,
    "Left out": lambda text: without_asides(text).strip(),
    "Several prompts": joined,
}


def lines() -> list[tuple[str, str, str]]:
    """(section, what is written, what is said of it) of every line of the tables."""
    found = []
    for section in PAGE.split("\n## ")[1:]:
        title = section.partition("\n")[0]
        for written, said in re.findall(r"^\| `(.+)` \| (.+) \|$", section, re.MULTILINE):
            found.append((title, written.replace(r"\|", "|"), said))
    return found


@pytest.mark.parametrize(("section", "written", "said"), lines())
def test_the_page_says_what_is_read(section: str, written: str, said: str) -> None:
    assert READ[section](written) == said


def test_every_table_is_run() -> None:
    sections = [section for section, _, _ in lines()]
    assert set(sections) == set(READ) and len(sections) == PAGE.count("\n| `") == 31
