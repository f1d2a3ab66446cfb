"""The text that other tools write: what means the same is kept, the rest is told, nothing is guessed."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gallery import parameters
from pipelines.recipe import CHOICES, Recipe

IN_THE_WILD = (
    "a castle on a hill, sunset\nwide shot\n"
    "Negative prompt: blurry, lowres\n"
    "Steps: 28, Sampler: Euler a, Schedule type: Automatic, CFG scale: 6.5, Seed: 123456789, "
    "Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned, Clip skip: 2, "
    'Lora hashes: "ink: 1a2b, wash: 3c4d", Version: v1.10.1'
)


def test_a_text_from_the_wild() -> None:
    values, notes = parameters.read(IN_THE_WILD)
    assert values == {
        "prompt": "a castle on a hill, sunset\nwide shot",
        "negative": "blurry, lowres",
        "steps": 28,
        "sampler": "euler-a",
        "guidance": 6.5,
        "seed": 123456789,
        "width": 512,
        "height": 768,
        "model": "v1-5-pruned",
        "clip_skip": 2,
    }
    told = " ".join(notes)
    assert "Schedule type (Automatic)" in told  # its meaning depends on the sampler over there
    assert "Lora hashes (ink: 1a2b, wash: 3c4d)" in told
    assert "Version" not in told and len(notes) == 2


def test_the_older_way_of_naming_sampler_and_schedule() -> None:
    values, notes = parameters.read(
        "cat\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1, Size: 64x64"
    )
    assert (values["sampler"], values["schedule"], notes) == ("dpmpp-2m", "karras", ())


def test_a_prompt_without_settings_is_all_prompt() -> None:
    values, notes = parameters.read("a cat: the movie, part 2")
    assert values == {"prompt": "a cat: the movie, part 2", "negative": ""} and notes == ()


@pytest.mark.parametrize("pair", ["Steps: many", "Size: huge", "Sampler: UniPC (ours!)", "Size: 9999999x8"])
def test_a_value_that_cannot_be_read_is_told(pair: str) -> None:
    values, notes = parameters.read(f"cat\nCFG scale: 7, Seed: 1, Denoising strength: 0.4, {pair}")
    assert values == {"prompt": "cat", "negative": "", "guidance": 7.0, "seed": 1}
    assert len(notes) == 2


lines = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters=":"), max_size=40).map(
    str.strip
)
recipes = st.builds(
    Recipe,
    model=st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30),
    prompt=lines,
    negative=lines,
    sampler=st.sampled_from(sorted(CHOICES["sampler"])),
    schedule=st.sampled_from(sorted(CHOICES["schedule"])),
    steps=st.integers(1, 150),
    guidance=st.integers(0, 300).map(lambda tenths: tenths / 10),
    rescale=st.integers(0, 20).map(lambda twentieths: twentieths / 20),
    width=st.integers(8, 64).map(lambda eights: eights * 8),
    height=st.integers(8, 64).map(lambda eights: eights * 8),
    perturbation=st.integers(0, 200).map(lambda tenths: tenths / 10),
    sigmas=st.sampled_from(["", "14.6, 7, 1.5", "inf 3 1 0"]),
    seed=st.integers(0, 2**32 - 1),
    clip_skip=st.integers(1, 12),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(recipe=recipes)
def test_what_is_written_is_read_back(recipe: Recipe) -> None:
    values, notes = parameters.read(parameters.write(recipe))
    assert notes == ()
    assert Recipe.read(values) == recipe


@settings(max_examples=300, deadline=None, derandomize=True)
@given(text=st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    parameters.read(text)


@pytest.mark.parametrize("unit", ["a", "a:", 'a:"', " ", "a: \\", '"', ",", "a/ ", "\n", "a" * 40 + ":"])
def test_no_text_takes_long(unit: str) -> None:
    started = time.perf_counter()
    parameters.read((unit * 65_536)[:65_536])
    assert time.perf_counter() - started < 1.0  # linear: milliseconds; quadratic would be minutes


def test_controlnets_are_written_as_their_extension_does_and_told_when_read() -> None:
    control = {"net": "canny", "picture": "0" * 64, "weight": 0.8, "end": 0.5, "balance": "prompt"}
    text = parameters.write(Recipe.read({"prompt": "cat", "controls": [control]}))
    assert (
        'ControlNet 0: "Module: none, Model: canny, Weight: 0.8, Resize Mode: Crop and Resize, '
        "Guidance Start: 0, Guidance End: 0.5, Control Mode: My prompt is more important, "
        f'Picture: {"0" * 64}"' in text
    )
    values, notes = parameters.read(text)
    assert values["prompt"] == "cat" and "controls" not in values
    assert any("ControlNet 0" in note for note in notes)


def test_references_are_units_of_that_extension_after_the_controlnets() -> None:
    control = {"net": "canny", "picture": "0" * 64}
    reference = {"adapter": "ip-adapter_sd15", "picture": "1" * 64, "weight": 0.6, "start": 0.25}
    recipe = Recipe.read({"prompt": "cat", "controls": [control], "references": [reference]})
    text = parameters.write(recipe)
    assert (
        'ControlNet 1: "Module: ip-adapter-auto, Model: ip-adapter_sd15, Weight: 0.6, '
        "Resize Mode: Just Resize, "
        f'Guidance Start: 0.25, Guidance End: 1, Control Mode: Balanced, Picture: {"1" * 64}"' in text
    )
    values, notes = parameters.read(text)
    assert values["prompt"] == "cat" and "references" not in values
    assert any("ControlNet 1" in note for note in notes)
