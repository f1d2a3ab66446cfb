"""Prompts of every kind in one engine: long and short ones in company, choices, wildcards, the counter."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest
import torch
from safetensors.torch import save_file

from adapters import LoraFolder
from engine import Engine, Model
from engine.shelf import NUMBERS_KEPT, Loaded
from engine.tree import Found
from gallery import Gallery
from models import Parts
from models.kind import Described
from pipelines import Recipe, RecipeError, draw
from pipelines.requests import EncodeText
from tests.engine.conftest import Network
from tests.engine.test_batching import ALONE_OR_NOT, difference, drawn_together
from ui.cards import details
from ui.watch import Watch

PROMPTS = ["cat", "x " * 80, "a [cat|dog]", "a {cat|dog} BREAK " + "y " * 80, "(cat:1.2) AND dog :0.5"]


def test_prompts_of_all_lengths_are_drawn_as_alone(
    tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]
) -> None:
    recipes = [a_recipe(prompt=prompt, seed=k) for k, prompt in enumerate(PROMPTS)]
    together = drawn_together(tiny, recipes, rows=16)
    assert sorted(set(network.calls)) == [2, 7]  # chunks: 1, 2, 1, 3 and 1; the last has three rows
    assert network.calls.count(7) == 4 and network.calls.count(2) == 8
    for recipe, [picture] in zip(recipes, together, strict=True):
        assert difference(picture, draw(recipe, tiny)[0]) <= ALONE_OR_NOT
    assert difference(together[0][0], together[1][0]) > 20  # else the comparison says nothing


def test_what_was_chosen_is_kept_with_each_picture(tiny: Parts, a_recipe: Callable[..., Recipe]) -> None:
    wildcards = {"animal": ("cat", "dog", "owl")}
    recipe = a_recipe(prompt="a {red|blue} __animal__", count=4, seed=40)
    with Engine(lambda name: tiny, wildcards=wildcards) as engine:
        job = engine.submit(recipe)
        pictures = job.result(60)
        with pytest.raises(RecipeError, match="^Prompt: got __nobody__; allowed: animal."):
            engine.submit(a_recipe(prompt="__nobody__"))
        kept = [job.made(k) for k in range(4)]
        again = [engine.submit(one).result(60)[0] for one in kept]
    assert len({one.words for one in kept}) > 1 and {one.prompt for one in kept} == {recipe.prompt}
    for one, picture, second in zip(kept, pictures, again, strict=True):
        assert one.words is not None
        plain = one.model_copy(update={"prompt": one.words[0], "words": None})
        assert difference(picture, draw(plain, tiny)[0]) <= ALONE_OR_NOT
        assert difference(picture, second) <= ALONE_OR_NOT


def test_a_finished_picture_has_its_notes(
    tiny: Parts, a_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    """Those of the model and of its LoRAs, at the page and among the model's details."""
    module = "lora_unet_time_embedding_linear_1"
    made = {f"{module}.lora_down.weight": torch.ones(2, 16), f"{module}.lora_up.weight": torch.ones(64, 2),
            "lora_unet_elsewhere.alpha": torch.tensor(1.0)}  # fmt: skip
    save_file(made, tmp_path / "ink.safetensors")
    guessed = replace(tiny, remarks=("Its <prediction> was guessed.",))
    gallery = Gallery(tmp_path / "gallery")
    with Engine(lambda name: guessed, gallery, loras=LoraFolder(tmp_path)) as engine:
        job = engine.submit(a_recipe(prompt="{cat|dog} <lora:ink:0.1:partial>", count=2))
        job.result(60)
        assert engine.notes(job) == (*guessed.remarks, "LoRA 'ink': 2 of 3 tensors applied.")
        with gr.Blocks():
            watch = Watch(engine, gallery, gr.BrowserState({}))
            watch.buttons()
            watch.pictures("300px")
        said = watch._finished(job, job.event)[watch.notice]
        assert "Its &lt;prediction&gt; was guessed." in said and "2 of 3 tensors applied" in said
    gallery.close()
    model = Model("checkpoint", "tiny", Found(tmp_path, 1, 1, Described("checkpoint", "SD 1.x")))
    assert "<dt>Noted</dt><dd>Its &lt;prediction&gt; was guessed.</dd>" in details(model, "", guessed.notes)


def test_encoded_texts_are_kept_within_their_room(tiny: Parts) -> None:
    loaded = Loaded(tiny)
    one = EncodeText((("cat",), ("",)))
    first = loaded.encode(one)
    assert loaded.encode(one) is first
    long = [EncodeText(((f"{k} " + "x " * 1100,),)) for k in range(1 + NUMBERS_KEPT // (15 * 77 * 32))]
    for request in long[:5]:
        loaded.encode(request)
    assert loaded.encode(one) is first
    for request in long:
        loaded.encode(request)
    assert loaded.encode(one) is not first


def test_a_text_is_counted_while_it_is_written(tiny: Parts, a_recipe: Callable[..., Recipe]) -> None:
    with Engine(lambda name: tiny, wildcards={"animal": ("ox", "x " * 100)}) as engine:
        before = engine.counted("tiny", "a (cat", True)
        assert (before.size, before.warnings) == (None, ("( at character 3 is never closed.",))
        engine.submit(a_recipe()).result(60)
        sizes = {
            "": (0, 75), "a cat": (3, 75), "x " * 76: (76, 150), "a cat # and more": (3, 75),
            "a AND a cat": (3, 75), "[x:y y y:0.3]": (3, 75), "{x|y y}": (2, 75), "__animal__": (100, 150),
            "a BREAK b": (76, 150), "x (x:1.2)": (2, 75),
        }  # fmt: skip
        assert {text: engine.counted("tiny", text, True).size for text in sizes} == sizes
        assert engine.counted("tiny", "a AND a cat", False).size == (7, 75)  # there AND is a word
        for text, warning in {
            "a AND ": "Got no words in part 2 of those joined by AND; allowed: words in each.",
            "__gone__": "Got __gone__; allowed: animal.",
            "(a:1000)": "Got a weight of 1e+03 at character 2; allowed: from -100 to 100.",
        }.items():
            assert engine.counted("tiny", text, True) == (None, (warning,))
