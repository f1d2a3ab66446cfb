"""The ControlNets panel: what is shown, kept and followed, and what it says to what is not allowed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from adapters import ControlNetFolder
from engine import Engine
from gallery import Gallery
from pipelines import Control, Recipe, RecipeError
from ui.controls import Controls

CONTROL = Control(net="edges", picture="0" * 64, weight=0.5)
SETTINGS = (1, 0, 100, "crop", "balanced")


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Controls]:
    (tmp_path / "controlnets").mkdir()
    (tmp_path / "controlnets" / "edges.safetensors").touch()  # only its name is asked for
    gallery = Gallery(tmp_path / "gallery")
    with gr.Blocks():
        yield Controls(
            Engine(gallery=gallery, controlnets=ControlNetFolder(tmp_path / "controlnets")), gallery
        )
    gallery.close()


def looked(panel: Controls, file: Path, name: str) -> tuple[Any, str, str]:
    updates = panel._look(str(file), name)
    return updates[panel._made], updates[panel._name], updates[panel._hint]


def test_what_the_controlnet_would_see_is_shown_and_kept(panel: Controls, tmp_path: Path) -> None:
    Image.radial_gradient("L").point(lambda value: 255 * (value > 128)).save(tmp_path / "photo.png")
    plain, name, _ = looked(panel, tmp_path / "photo.png", "")
    edges, edges_name, _ = looked(panel, tmp_path / "photo.png", "canny")
    assert name != edges_name and plain.tobytes() != edges.tobytes()
    assert panel._gallery.inputs[edges_name].tobytes() == edges.tobytes()


def test_what_cannot_be_shown_says_why(panel: Controls, tmp_path: Path) -> None:
    (tmp_path / "page.png").write_text("<svg onload=alert(1)>")
    assert "not a PNG, JPEG or WebP" in looked(panel, tmp_path / "page.png", "")[2]
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    made, name, said = looked(panel, tmp_path / "photo.png", "depth-midas")
    assert made is None and name == "" and "about 493 MB" in said


def test_followed_pictures_add_up_to_four(panel: Controls) -> None:
    text = "[]"
    for _ in range(4):
        text = panel._follow(text, "0" * 64, "edges", *SETTINGS)[panel.value]
    assert len(panel.put_into(Recipe(), text).controls) == 4
    assert "at most 4" in panel._follow(text, "0" * 64, "edges", *SETTINGS)[panel._hint]


REFUSED = {
    "Picture: got none": ("", "edges", SETTINGS),
    "ControlNet: got none; allowed: one of the list": ("0" * 64, None, SETTINGS),
    "From: got nothing": ("0" * 64, "edges", (1, None, 100, "crop", "balanced")),
    "Until: got 120": ("0" * 64, "edges", (1, 0, 120, "crop", "balanced")),
    "End: got 0.2": ("0" * 64, "edges", (1, 50, 20, "crop", "balanced")),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_followed_says_why(panel: Controls, said: str) -> None:
    picture, net, settings = REFUSED[said]
    updates = panel._follow("[]", picture, net, *settings)
    assert said in updates[panel._hint] and panel.value not in updates


@pytest.mark.parametrize("text", ["", "{", "3", '"x"', "[" * 5000])
def test_a_page_that_sends_nonsense_is_told(panel: Controls, text: str) -> None:
    with pytest.raises(RecipeError, match="^ControlNets: got"):
        panel.put_into(Recipe(), text)
    assert panel.restored(text) == {}


def test_a_recipe_shows_its_controls_escaped(panel: Controls) -> None:
    shown = panel.shown([CONTROL.model_dump() | {"net": "<b>"}])
    assert "&lt;b&gt;, weight 0.5, from 0 to 1 of the steps, Crop, Balanced" in shown[panel._list]
    assert json.loads(shown[panel.value])[0]["net"] == "<b>"
    assert panel.shown([])[panel.value] == "[]" and panel.shown([])[panel._list] == ""
