"""What controlnet-aux makes of a picture without weights, and what is said where weights are missing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from adapters import PREPROCESSORS, preprocess


@pytest.fixture
def disc() -> Image.Image:
    """White on blue, of a size that is no multiple of anything."""
    picture = Image.new("RGB", (150, 101), (20, 40, 160))
    ImageDraw.Draw(picture).ellipse((40, 20, 100, 80), fill="white")
    return picture


def test_canny_finds_the_edge_and_nothing_else(disc: Image.Image) -> None:
    edges = np.asarray(preprocess(disc, "canny"))
    assert edges.shape == (101, 150, 3) and set(np.unique(edges)) == {0, 255}
    rows, columns = np.nonzero(edges[..., 0])
    radius = np.hypot(rows - 50, columns - 70)
    assert (
        len(rows) > 100 and abs(radius - 30).max() < 3
    )  # a circle of 30 pixels; no frame around the picture


def test_line_art_draws_dark_lines_bright(disc: Image.Image) -> None:
    picture = Image.new("RGB", (96, 96), "white")
    ImageDraw.Draw(picture).line((10, 48, 86, 48), fill="black", width=3)
    made = np.asarray(preprocess(picture, "lineart-standard"))
    assert made.shape == (96, 96, 3) and made[48, 48, 0] > 100 > 10 > made[20, 48, 0]


def test_the_shuffle_keeps_colours_and_is_decided_by_its_seed(disc: Image.Image) -> None:
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    made = preprocess(disc, "shuffle", seed=3)
    assert np.random.random() == expected  # everybody's generator is as it was
    assert made.size == disc.size and made.tobytes() != disc.tobytes()
    assert preprocess(disc, "shuffle", seed=3).tobytes() == made.tobytes()
    assert preprocess(disc, "shuffle", seed=4).tobytes() != made.tobytes()
    between = np.asarray(made).reshape(-1, 3)
    assert (between.min(0) >= (19, 39, 159)).all()  # only mixtures of the two colours


@pytest.mark.parametrize("name", [name for name, one in PREPROCESSORS.items() if one.weights])
def test_the_others_say_what_they_need(disc: Image.Image, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = f"^Preprocessor: '{name}' needs .* of lllyasviel/Annotators .about [0-9]+ MB., not on this machine"
    with pytest.raises(ValueError, match=said + ", and HF_HUB_OFFLINE is set"):
        preprocess(disc, name, download=True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(ValueError, match=said + "; allowed: to fetch it"):
        preprocess(disc, name)


def test_every_detector_is_there() -> None:
    from models.torchvision_guard import guard_torchvision

    guard_torchvision()
    import controlnet_aux

    assert [one for one in PREPROCESSORS.values() if not hasattr(controlnet_aux, one.detector)] == []


def test_weights_that_are_there_run(
    disc: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random ones of PiDiNet's architecture, in a cache as the hub's client leaves it."""
    import torch

    from models.torchvision_guard import guard_torchvision

    guard_torchvision()
    from controlnet_aux.pidi.model import pidinet

    folder = tmp_path / "models--lllyasviel--Annotators"
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40)
    torch.manual_seed(0)
    weights = {f"module.{name}": weight for name, weight in pidinet().state_dict().items()}
    torch.save({"state_dict": weights}, snapshot / "table5_pidinet.pth")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path))
    assert PREPROCESSORS["softedge-pidinet"].missing() == ()
    made = preprocess(disc, "softedge-pidinet")
    assert made.size == disc.size and np.asarray(made).std() > 0


def test_an_unknown_one_names_the_others(disc: Image.Image) -> None:
    with pytest.raises(
        ValueError, match="^Preprocessor: got 'pose'; allowed: canny, lineart-standard, shuffle"
    ):
        preprocess(disc, "pose")
