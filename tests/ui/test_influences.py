"""The panels of ControlNets and reference pictures: what is shown, kept and added, and what is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from adapters import ControlNetFolder, ImageEncoderFolder, IpAdapterFolder
from engine import Engine
from gallery import Gallery
from pipelines import Control, Recipe, RecipeError, Reference
from ui.influences import CONTROLS, REFERENCES, Influences

SETTINGS = (1, 0, 100, "crop", "balanced")


@pytest.fixture
def panels(tmp_path: Path) -> Iterator[dict[str, Influences]]:
    """Of ControlNets with one that is called edges, of references with an IP-Adapter so called."""
    for folder in ("controlnets", "ip-adapters"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "edges.safetensors").touch()  # only its name is asked for
    gallery = Gallery(tmp_path / "gallery")
    adapters = IpAdapterFolder(tmp_path / "ip-adapters", ImageEncoderFolder(tmp_path / "image-encoders"))
    nets = ControlNetFolder(tmp_path / "controlnets")
    engine = Engine(gallery=gallery, controlnets=nets, ip_adapters=adapters)
    with gr.Blocks():
        yield {
            "controls": Influences(CONTROLS, engine.controlnets, gallery),
            "references": Influences(REFERENCES, engine.ip_adapters, gallery),
        }
    gallery.close()


@pytest.fixture
def panel(panels: dict[str, Influences]) -> Influences:
    return panels["controls"]


@pytest.fixture(params=["controls", "references"])
def each(request: pytest.FixtureRequest, panels: dict[str, Influences]) -> Influences:
    return panels[request.param]


def looked(panel: Influences, file: Path, *name: str) -> tuple[Any, str, str]:
    updates = panel._look(str(file), *name)
    return updates[panel._made], updates[panel._name], updates[panel._hint]


def added(panel: Influences, text: str, picture: str, reader: str | None, settings: tuple[Any, ...]) -> Any:
    return panel._added(text, picture, reader, *settings[: 3 + len(panel.kind.choices)])


def test_what_the_controlnet_would_see_is_shown_and_kept(panel: Influences, tmp_path: Path) -> None:
    Image.radial_gradient("L").point(lambda value: 255 * (value > 128)).save(tmp_path / "photo.png")
    plain, name, _ = looked(panel, tmp_path / "photo.png", "")
    edges, edges_name, _ = looked(panel, tmp_path / "photo.png", "canny")
    assert name != edges_name and plain.tobytes() != edges.tobytes()
    assert panel._gallery.inputs[edges_name].tobytes() == edges.tobytes()


def test_of_a_reference_the_middle_is_shown_and_all_of_it_kept(
    panels: dict[str, Influences], tmp_path: Path
) -> None:
    wide = Image.new("RGBA", (90, 30), "red")
    wide.paste((0, 0, 0, 0), (30, 0, 60, 30))
    wide.save(tmp_path / "photo.png")
    seen, name, said = looked(panels["references"], tmp_path / "photo.png")
    assert "transparent parts are seen as black" in said
    assert seen.size == (30, 30) and seen.getextrema() == ((0, 0),) * 3
    assert panels["references"]._gallery.inputs[name].tobytes() == wide.tobytes()


def test_what_cannot_be_shown_says_why(each: Influences, panel: Influences, tmp_path: Path) -> None:
    (tmp_path / "page.png").write_text("<svg onload=alert(1)>")
    assert "not a PNG, JPEG or WebP" in looked(each, tmp_path / "page.png")[2]
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    made, name, said = looked(panel, tmp_path / "photo.png", "depth-midas")
    assert made is None and name == "" and "about 493 MB" in said


def test_pictures_add_up_to_four(each: Influences) -> None:
    text = "[]"
    for _ in range(4):
        text = added(each, text, "0" * 64, "edges", SETTINGS)[each.value]
    assert len(getattr(each.put_into(Recipe(), text), each.kind.field)) == 4
    assert "at most 4" in added(each, text, "0" * 64, "edges", SETTINGS)[each._hint]


REFUSED = {
    "Picture: got none": ("", "edges", SETTINGS),
    "got none; allowed: one of the list": ("0" * 64, None, SETTINGS),
    "From: got nothing": ("0" * 64, "edges", (1, None, 100, "crop", "balanced")),
    "Until: got 120": ("0" * 64, "edges", (1, 0, 120, "crop", "balanced")),
    " 1, End: got 0.2": ("0" * 64, "edges", (1, 50, 20, "crop", "balanced")),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_added_says_why(each: Influences, said: str) -> None:
    picture, reader, settings = REFUSED[said]
    updates = added(each, "[]", picture, reader, settings)
    assert said in updates[each._hint] and each.value not in updates


def test_where_there_are_none_it_says_what_belongs_where(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path / "gallery")
    with gr.Blocks():
        for kind, folders in ((CONTROLS, ["controlnets"]), (REFERENCES, ["ip-adapters", "image-encoders"])):
            said = Influences(kind, tuple, gallery)._told()
            assert all(f"“{folder}”" in said for folder in folders)
    gallery.close()


@pytest.mark.parametrize("text", ["", "{", "3", '"x"', "[" * 5000])
def test_a_page_that_sends_nonsense_is_told(each: Influences, text: str) -> None:
    with pytest.raises(RecipeError, match=f"^{each.kind.title}: got"):
        each.put_into(Recipe(), text)
    assert each.restored(text) == {}


ESCAPED = {
    "controls": "&lt;b&gt;, weight 0.5, from 0 to 1 of the steps, Crop, Balanced",
    "references": "&lt;b&gt;, weight 0.5, from 0 to 1 of the steps<",
}


def test_a_recipe_shows_its_list_escaped(each: Influences) -> None:
    recipe = Recipe(
        controls=(Control(net="<b>", picture="0" * 64, weight=0.5),),
        references=(Reference(adapter="<b>", picture="0" * 64, weight=0.5),),
    )
    shown = each.of(recipe)
    assert ESCAPED[each.kind.field] in shown[each._list]
    assert json.loads(shown[each.value])[0][each.kind.reader] == "<b>"
    assert each.shown([])[each.value] == "[]" and each.shown([])[each._list] == ""
