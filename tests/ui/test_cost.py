"""What Create says that a drawing costs follows every setting that the cost follows."""

from typing import Any

import gradio as gr
import pytest

from engine import Catalogue, Engine, cost
from gallery import Gallery
from pipelines.recipe import Recipe
from ui import show
from ui.create import COSTLY, Create

ONE = {
    "sampler": "restart", "guidance_rule": "pag", "guidance_low": 0.4, "guidance_high": 3.0, "steps": 20,
    "schedule": "trailing",
}  # fmt: skip


@pytest.fixture(scope="module")
def create(tmp_path_factory: pytest.TempPathFactory) -> Create:
    home = tmp_path_factory.mktemp("home")
    catalogue = Catalogue(home)
    catalogue.look()
    gallery = Gallery(home / "gallery")
    with gr.Blocks():
        return Create(Engine(gallery=gallery), gallery, catalogue, gr.BrowserState({}))


def switched(create: Create) -> list[Any]:
    """What the boxes of hires fix, variations and tiles show at first: none is wanted."""
    return [box.value for box in create._costly][len(COSTLY) :]  # pyright: ignore


@pytest.mark.parametrize("other", [
    {"prompt": "a AND b"}, {"sampler": "euler"}, {"schedule": "karras"}, {"sigmas": "5, 1, 0.05"},
    {"steps": 7}, {"guidance": 1.0}, {"guidance_rule": "cfg"}, {"guidance_low": None},
    {"guidance_high": None}, {"perturbation": 0.0},
])  # fmt: skip
def test_a_setting_that_changes_the_cost_changes_what_is_said(other: dict[str, Any], create: Create) -> None:
    assert set(other) <= set(COSTLY)

    def told(values: dict[str, Any]) -> str:
        shown = {name: create.form[name].value for name in COSTLY} | create.form.filled(Recipe(**values))  # pyright: ignore
        return create._tell_cost(*(shown[name] for name in COSTLY), *switched(create))

    said = told(ONE | other)
    assert said != told(ONE) and "About" not in said
    table = create._catalogue.table("starter")
    assert said == show.cost(cost(Recipe(**ONE | other), table), (ONE | other)["sampler"])


def test_what_cannot_be_drawn_has_no_cost(create: Create) -> None:
    values = {name: create.form[name].value for name in COSTLY}  # pyright: ignore
    assert create._tell_cost(*(values | {"guidance_high": "much"}).values(), *switched(create)) == ""
    assert create._tell_cost(*(values | {"sigmas": "1000000"}).values(), *switched(create)) == ""
