"""What the panel writes into a prompt, and what it refuses."""

from pathlib import Path

import gradio as gr
import pytest

from adapters import LoraFolder
from engine import Engine
from pipelines.prompt import lora_stages
from ui.additions import Additions, nameable, with_lora, written


@pytest.fixture
def panel(tmp_path: Path) -> Additions:
    for name in ("ink", "style/wash", "odd:name"):
        file = tmp_path / "loras" / f"{name}.safetensors"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "styles.csv").write_text(
        'name,prompt,negative_prompt\nOil,"oil painting of {prompt}, thick",flat\n', encoding="utf-8"
    )
    engine = Engine(loras=LoraFolder(tmp_path / "loras"), styles=tmp_path / "styles.csv")
    with gr.Blocks():
        return Additions(engine)


@pytest.mark.parametrize(
    ("weight", "begin", "end", "steps"),
    [(1, 0, 1, [(20, 1)]), (-0.35, 0.25, 1, [(5, None), (20, -0.35)]), (1.5, 0, 0.5, [(10, 1.5), (20, None)]),
     (0.8, 0.1, 0.85, [(2, None), (17, 0.8), (20, None)])],
)  # fmt: skip
def test_what_is_written_is_what_is_drawn_with(
    weight: float, begin: float, end: float, steps: list[tuple[int, float | None]]
) -> None:
    read = lora_stages("a cat " + written("style/wash", weight, begin, end), 20)
    assert [(last, its[0].weight if its else None) for last, its in read] == steps


def test_that_a_part_of_a_lora_is_enough_stays_when_it_is_changed() -> None:
    before = "a cat [<lora:ink:0.8:0.5:partial>:0.3]"
    assert with_lora(before, "ink", 0.4) == "a cat <lora:ink:0.4:partial>"
    assert with_lora(before, "ink", 0.4, end=0.5) == "a cat [<lora:ink:0.4:partial>::0.5]"


def test_a_lora_is_added_and_then_changed_in_place(panel: Additions) -> None:
    prompt, told = panel.added("ink", 0.8, 0, 100, "a cat")
    assert (prompt, told) == ("a cat <lora:ink:0.8>", "")
    prompt, _ = panel.added("style/wash", 1, 30, 100, prompt + ", big")
    assert prompt == "a cat <lora:ink:0.8>, big [<lora:style/wash:1>:0.3]"
    prompt, _ = panel.added("style/wash", 0.5, 20, 70, prompt)
    prompt, _ = panel.added("ink", -1, None, 50, prompt)
    assert prompt == "a cat [<lora:ink:-1>::0.5], big [[<lora:style/wash:0.5>:0.2]::0.7]"
    prompt, _ = panel.added("style/wash", 1, 0, 100, prompt)
    assert prompt == "a cat [<lora:ink:-1>::0.5], big <lora:style/wash:1>"
    assert panel.added("ink", 1, 0, 100, "[<lora:ink:2>:<lora:x>:3]")[0] == "[<lora:ink:1>:<lora:x>:3]"
    assert panel.added("ink", 1, 0, 100, "")[0] == "<lora:ink:1>"


@pytest.mark.parametrize(
    ("name", "weight", "begin", "end", "said"),
    [
        ("oil", 1, 0, 100, "LoRA: got oil; allowed: one of the list."),
        ("odd:name", 1, 0, 100, "LoRA: got odd:name; allowed"),
        (None, 1, 0, 100, "LoRA: got none; allowed"),
        ("ink", None, 0, 100, "Strength: got nothing; allowed: a number"),
        ("ink", 1, 70, 30, "Steps: got from 70 % until 30 %; allowed: from 0 to 100"),
        ("ink", 1, -5, 100, "Steps: got from -5 % until 100 %; allowed"),
    ],
)
def test_what_cannot_be_is_said(
    panel: Additions, name: str | None, weight: float | None, begin: float, end: float, said: str
) -> None:
    prompt, told = panel.added(name, weight, begin, end, "a cat")
    assert said in told and not isinstance(prompt, str)


def test_a_style_is_put_around_both_texts(panel: Additions) -> None:
    assert panel.dressed("Oil", "a cat", "dogs")[:2] == ("oil painting of a cat, thick", "dogs, flat")
    assert "Style: got Tar; allowed: one of the list." in panel.dressed("Tar", "a cat", "")[2]


def test_the_models_tab_writes_the_same() -> None:
    assert with_lora("a [<lora:ink:2>:0.5] cat", "ink") == "a <lora:ink:1> cat"
    assert with_lora("a cat ", "ink") == "a cat <lora:ink:1>" and with_lora("", "ink") == "<lora:ink:1>"
    assert nameable("style/ink") and not any(nameable(f"a{mark}b") for mark in ":<>#")
