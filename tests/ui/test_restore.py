"""A picture of another studio, dropped on Create: what is understood fills the form, the rest is listed."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.recipe import Recipe, Region, Upscale
from tests.gallery.sampled import SAMPLES, texts_of, write
from ui.create import Create


def dropped(create: Create, file: Path) -> tuple[dict[str, Any], str]:
    """(what the form shows then, what is said)."""
    updates = create._restore(str(file))
    shown = {
        name: updates[create.form[name]]["value"]
        for name in create.form.names
        if create.form[name] in updates
    }
    return shown, updates[create.watch.notice]


@pytest.mark.parametrize(
    "name", ["comfyui-lora-clipskip", "invokeai-4.2-sdxl", "fooocus-2.4-json", "a1111-1.0"]
)
def test_what_is_understood_is_in_the_form_and_the_rest_is_listed(
    create: Create, name: str, tmp_path: Path
) -> None:
    sample = SAMPLES[name]
    shown, said = dropped(create, write(tmp_path / "given.png", sample["file"], texts_of(sample)))
    expected = {key: value for key, value in sample["recipe"].items() if key not in ("model", "vae")}
    assert {key: shown[key] for key in expected} == expected
    assert f"Settings of {sample['studio']}: what means the same here was restored. This was not:" in said
    assert said.count("<p>") >= 2 + len(sample["notes"])  # the head, and that the model is not here
    assert "Model" in said and "is not here; the one chosen stays" in said
    assert "model" not in shown


def test_hires_fix_of_another_studio_is_switched_on(create: Create, tmp_path: Path) -> None:
    sample = SAMPLES["swarmui-refine"]
    updates = create._restore(str(write(tmp_path / "given.png", sample["file"], texts_of(sample))))
    assert "Hires fix" not in updates[create.watch.notice]
    values = [updates[box]["value"] if box in updates else None for box in create._switched.components]
    shown = dict(zip(create._switched.names, values, strict=True))
    assert shown["hires"] is True and shown["variation"] is False
    assert {
        f"hires-{key}": value for key, value in sample["recipe"]["hires"].items()
    }.items() <= shown.items()


def test_what_create_has_no_place_for_is_said(create: Create) -> None:
    recipe = Recipe(regions=(Region(mask="0" * 64, prompt="a cat"),), upscale=Upscale(picture="0" * 64))
    said = create.reuse(recipe)[create.watch.notice]
    assert "Not restored: Regions, which Create has no place for." in said
    assert "Not restored: Upscale, which Create has no place for." in said


def test_a_file_that_says_all_is_good_news(create: Create, tmp_path: Path) -> None:
    text = "a cat\nSteps: 9, Sampler: Euler, CFG scale: 4, Seed: 3, Size: 64x64, Model: starter"
    shown, said = dropped(create, write(tmp_path / "given.png", "png", {"parameters": text}))
    assert shown["prompt"] == "a cat" and shown["model"] == "starter"
    assert "Settings of AUTOMATIC1111: all were restored." in said and 'class="notice good"' in said


def test_what_a_file_says_is_shown_as_text(create: Create, tmp_path: Path) -> None:
    params = {"prompt": "x", "<img src=x onerror=alert(1)>": "<script>alert(2)</script>", "model": "<b>m</b>"}
    file = write(tmp_path / "a.png", "png", {"parameters": json.dumps({"sui_image_params": params})})
    _, said = dropped(create, file)
    assert "<img" not in said and "<script" not in said and "<b>" not in said
    assert "&lt;script&gt;alert(2)" in said


def test_a_file_that_cannot_be_understood_leaves_the_form_as_it_is(create: Create, tmp_path: Path) -> None:
    shown, said = dropped(create, write(tmp_path / "a.png", "png", {"invokeai_metadata": "{"}))
    assert shown == {} and "InvokeAI: its invokeai_metadata text is not JSON." in said
