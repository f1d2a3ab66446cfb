"""A model of the Lab goes to Create: from a session's folder into the catalogue and the form."""

from pathlib import Path

import gradio as gr
import pytest

from engine import Catalogue, Engine
from models import load
from training.evaluation.steps import finished
from training.run import RunConfig, running
from training.sessions import Session, begin
from training.trials import FIGURES
from ui.create import Create
from ui.lab_draw import LabDraw


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Trained for a step; what it would measure is not looked at."""
    one = begin(tmp_path_factory.mktemp("lab"), "digits", ["words", "vae"], 1)
    for family in one.families:
        config = RunConfig.read({"data": "digits", "family": family, "steps": 1, "batch": 2})
        finished(running(config, one.folder_of(family)))
        (one.folder_of(family) / FIGURES).write_text("{}")
    return one


def drawing(create: Create, session: Session, catalogue: Catalogue | None) -> LabDraw:
    with gr.Blocks():
        one = LabDraw(Engine(), session.root, create, gr.Tabs(), catalogue)
        one.listen(gr.State(session.id))
    return one


def test_it_is_chosen_on_create_and_loads(create: Create, session: Session, tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    one = drawing(create, session, catalogue)
    values = [component.value for component in create.form.components]
    updates = one.send(session.id, "words", {}, *values)
    (name,) = (name for name in catalogue.names() if name != "starter")
    assert name.startswith("lab-words-digits-")
    assert updates[create.form["model"]]["value"] == name
    assert load(str(tmp_path / "models" / name)).native_size == (64, 64)
    assert one.send(session.id, "words", {}, *values)[create.form["model"]]["value"] == name, "sent again"


def test_others_are_refused_in_words(create: Create, session: Session, tmp_path: Path) -> None:
    one = drawing(create, session, Catalogue(tmp_path))
    for family, said in (("vae", "got &#x27;vae&#x27;"), (None, "got &#x27;&#x27;")):
        (notice,) = one.send(session.id, family, {}).values()
        assert said in notice and "Latent diffusion from words" in notice
    (notice,) = one.send("nobody's", "words", {}).values()
    assert "allowed: a model that is trained" in notice


def test_the_button_is_there_for_what_can_be_sent(create: Create, session: Session, tmp_path: Path) -> None:
    one = drawing(create, session, Catalogue(tmp_path))
    assert one.chosen("words")[one.sender]["visible"] and not one.chosen("vae")[one.sender]["visible"]
    without = drawing(create, session, None)
    assert not without.chosen("words")[without.sender]["visible"]
