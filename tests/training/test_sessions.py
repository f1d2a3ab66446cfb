"""A session of the Lab: its id is its key, what may not be is refused, and what it trained can be drawn
with."""

from importlib import import_module
from pathlib import Path

import pytest

from training import sessions
from training.evaluation.features import classifying
from training.evaluation.steps import finished
from training.run import RunConfig, running
from training.sessions import Session, begin, read, samples_by
from training.trials import trial


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Session:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("training.evaluation.measure"), "PROBABLE", 2)
        patch.setattr(sessions, "COUNT", 12)
        patch.setattr(classifying, "__defaults__", (0, 4))
        session = begin(tmp_path_factory.mktemp("lab"), "digits", ["vae", "flow"], 1)
        config = RunConfig.read({"data": "digits", "family": "flow", "steps": 3, "batch": 8})
        finished(trial(config, session.folder_of("flow"), session.shared, 12))
        finished(session.comparing())
    return session


def test_it_is_found_by_its_id_and_by_nothing_else(trained: Session) -> None:
    assert read(trained.root, trained.id) == trained
    assert trained.families == ("flow", "vae"), "in the table's order"
    for other in ("", "..", "../" * 8, trained.id[:-1], trained.id[:-1] + "/", "A" * 24):
        assert read(trained.root, other) is None


@pytest.mark.parametrize(
    ("data", "families", "minutes", "said"),
    [
        ("cats", ["vae"], 1, "Data: got 'cats'"),
        ("digits", [], 1, "Families: got none"),
        ("digits", ["vae", "magic"], 1, "Families: got magic"),
        ("digits", ["vae"], 0, "Minutes: got 0"),
        ("digits", ["vae"], None, "Minutes: got None"),
    ],
)
def test_what_may_not_be_is_refused(
    tmp_path: Path, data: str, families: list[str], minutes: float | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        begin(tmp_path, data, families, minutes)
    assert list(tmp_path.iterdir()) == []


def test_what_is_finished_is_compared_and_the_rest_is_left_out(trained: Session) -> None:
    assert trained.finished == ("flow",)
    assert trained.compared is not None and "Rectified flow" in trained.compared
    assert trained.compared.count("Film strip of") == 1


def test_a_session_without_anything_finished_compares_nothing(tmp_path: Path) -> None:
    session = begin(tmp_path, "digits", ["vae"], 1)
    assert list(session.comparing()) == [] and session.compared is None


def test_pictures_are_drawn_by_seed_and_by_a_sampler_of_choice(trained: Session) -> None:
    def drawn(seed: int, sampler: str = "") -> bytes:
        return finished(trained.drawing("flow", 3, 2, seed, sampler, 2)).tobytes()

    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1, "ddim") != drawn(1)
    assert samples_by("flow") and not samples_by("vae") and not samples_by("latent")


def test_only_what_reads_words_is_given_to_create(trained: Session, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got 'flow'; allowed: Latent diffusion from words, when"):
        trained.checkpoint("flow")
    with pytest.raises(ValueError, match="got 'words'"):
        trained.checkpoint("words")  # not trained
    session = begin(tmp_path, "digits", ["words"], 1)
    folder = session.folder_of("words")
    finished(running(RunConfig.read({"data": "digits", "family": "words", "steps": 1, "batch": 2}), folder))
    (folder / "figures.json").write_text("{}")  # as after it was measured
    name, learnt = session.checkpoint("words")
    assert name.startswith("lab-words-digits-") and session.id[:6] not in name
    learnt.save(tmp_path / "saved")
    assert (tmp_path / "saved" / "model_index.json").is_file()


@pytest.mark.parametrize(
    ("family", "count", "sampler", "said"),
    [
        ("vae", 1, "", "allowed: one that is trained"),
        ("flow", 0, "", "Pictures: got 0"),
        ("flow", 1, "magic", "Sampler: got 'magic'"),
    ],
)
def test_a_drawing_that_cannot_be_is_refused(
    trained: Session, family: str, count: int, sampler: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        finished(trained.drawing(family, None, count, 0, sampler))
