"""The line below a prompt's box: counts and warnings, escaped; nothing where there is nothing to say."""

from collections.abc import Iterator

import gradio as gr
import pytest

from engine import Counted, Engine
from models import Parts
from models.chunks import Size
from pipelines import Recipe
from ui import show
from ui.counter import Counter


@pytest.fixture
def counter(tiny: Parts) -> Iterator[Counter]:
    with Engine(lambda name: tiny) as engine, gr.Blocks():
        yield Counter(engine, "prompt", joins=True)


def test_nothing_is_counted_before_the_model_is_there(counter: Counter, tiny: Parts) -> None:
    assert counter.count("a cat", "tiny") == ""
    assert "character 1 is never closed" in counter.count("(", "tiny")
    counter._engine.submit(Recipe(model="tiny", steps=1, width=64, height=64)).result(60)
    assert counter.count("a cat", "tiny") == '<p class="hint count"><span>3 / 75</span></p>'
    assert counter.count("", "tiny") == ""


def test_a_text_that_is_never_drawn_is_not_counted(counter: Counter) -> None:
    assert counter.count("(" * 4001, "tiny") == "" and counter.count("(" * 4000, "tiny") != ""


def test_what_is_said_is_escaped() -> None:
    said = show.counted(Counted(Size(1, 75), ("<img src=x onerror=alert(1)>",)))
    assert "<img" not in said and "&lt;img" in said
