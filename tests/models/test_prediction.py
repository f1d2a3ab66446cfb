"""Which prediction a network makes, measured on exact answers: what is right for pictures that are known."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from models import Parts, load
from models.assemble import _guess
from models.prediction import measured
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


def test_a_guess_is_noted_with_the_way_out(parts: Parts) -> None:
    native = replace(parts, native_size=(768, 768), defaults={"width": 768, "height": 768, "steps": 25})
    noise = _guess(replace(native, unet=Exact(parts, "epsilon", 0.0, 1.0)))
    assert noise.parametrisation.prediction == "epsilon"
    assert (noise.native_size, noise.defaults) == ((512, 512), {"width": 512, "height": 512, "steps": 25})
    [note] = noise.notes
    assert "does not say whether it predicts noise or velocity" in note
    assert note.endswith("load it with prediction='v_prediction'.")
    velocity = _guess(replace(native, unet=Exact(parts, "v_prediction", 0.0, 1.0)))
    assert velocity.parametrisation.prediction == "v_prediction"
    assert (velocity.native_size, velocity.defaults["width"]) == ((768, 768), 768)
    assert velocity.notes[0].endswith("load it with prediction='epsilon'.")
