"""Which prediction a network makes, measured on exact answers: what is right for pictures that are known."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from models import Parts, load
from models.assemble import _guess
from models.header import read_header
from models.prediction import measured
from models.source import CheckpointFile
from tests.ldm import write_header
from tests.models.test_families import shapes_of
from tests.tiny import write_tiny


class Exact(nn.Module):
    """The best answer there is where all pictures are noise of one spread around a mean: eps or v."""

    def __init__(self, parts: Parts, prediction: str, mean: float, spread: float) -> None:
        super().__init__()
        self.config, self.parts = parts.unet.config, parts
        self.prediction, self.mean, self.spread = prediction, mean, spread

    def forward(self, x: Tensor, times: Tensor, **rest: object) -> SimpleNamespace:
        alpha, sigma = self.parts.levels[int(times[0])]
        gain = alpha * self.spread**2 / (alpha**2 * self.spread**2 + sigma**2)
        x0 = self.mean + gain * (x - alpha * self.mean)
        noise = (x - alpha * x0) / sigma
        return SimpleNamespace(sample=noise if self.prediction == "epsilon" else alpha * noise - sigma * x0)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    folder = tmp_path_factory.mktemp("models") / "sd2"
    write_tiny(folder, "sd2", rescale_betas_zero_snr=False, prediction_type="epsilon")
    return load(str(folder), device="cpu", dtype=torch.float32)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (0.5, 0.3), (-2.0, 2.0)])
def test_an_exact_network_is_told_by_its_answer_to_noise(
    prediction: str, mean: float, spread: float, parts: Parts
) -> None:
    assert measured(replace(parts, unet=Exact(parts, prediction, mean, spread))) == prediction


@pytest.mark.parametrize(("guess", "other", "side"), [("epsilon", "v_prediction", 512),
                                                      ("v_prediction", "epsilon", 768)])  # fmt: skip
def test_a_guess_is_noted_with_the_way_out(
    guess: str, other: str, side: int, parts: Parts, tmp_path: Path
) -> None:
    """For a true header of Stable Diffusion 2 that tells nothing, and an exact network in its place."""
    header = read_header(write_header(tmp_path / "model.safetensors", shapes_of("sd2")))
    guessed = _guess(replace(parts, unet=Exact(parts, guess, 0.0, 1.0)), CheckpointFile(header))
    assert guessed.parametrisation.prediction == guess
    assert guessed.native_size == (side, side) == (guessed.defaults["width"], guessed.defaults["height"])
    [note] = guessed.notes
    assert "does not say whether it predicts noise or velocity" in note
    assert note.endswith(f"load it with prediction={other!r}.")


def test_a_size_that_the_file_names_stays(tmp_path: Path) -> None:
    named = {"modelspec.resolution": "640x640"}
    header = read_header(write_header(tmp_path / "model.safetensors", shapes_of("sd2"), named))
    assert CheckpointFile(header).defaults("epsilon")[0] == (640, 640)
    assert CheckpointFile(header).defaults()[1]["width"] == 640
