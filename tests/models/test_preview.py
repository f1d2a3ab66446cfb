"""The preview's projection: exact for a linear decoder, better than any constant for a real one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from models import Parts, load
from models.load import STARTER
from models.preview import fit_projection, read_projection

GRID = Path(__file__).parents[2] / "docs" / "starter" / "grid.png"


def test_a_linear_decoder_is_found_exactly() -> None:
    weight, bias = (
        torch.randn(3, 6, generator=torch.Generator().manual_seed(0)) / 10,
        torch.tensor([0.1, 0, -0.2]),
    )

    def decode(latents: torch.Tensor) -> torch.Tensor:
        small = torch.einsum("rc,bchw->brhw", weight, latents) + bias[:, None, None]
        return F.interpolate(small, scale_factor=8)

    found = fit_projection(decode, 6)
    torch.testing.assert_close(found.weight, weight, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.bias, bias, rtol=0, atol=1e-5)


@pytest.mark.skipif(not (STARTER / "model_index.json").exists(), reason="the starter is not trained yet")
def test_it_explains_most_of_what_the_starter_draws() -> None:
    parts = load("starter", device="cpu", dtype=torch.float32)
    latents = parts.encode(drawn())
    seen = parts.preview(latents)
    truth = F.adaptive_avg_pool2d(parts.decode(latents), seen.shape[-1])
    missed = (seen - truth).square().mean()
    assert missed < 0.05 * (truth - truth.mean((0, 2, 3), keepdim=True)).square().mean()


def drawn() -> torch.Tensor:
    """Four pictures that the starter drew: (4, 3, 128, 128) in [-1, 1]."""
    grid = np.asarray(Image.open(GRID).convert("RGB"))[:128, :512]
    pixels = torch.from_numpy(grid.copy()).permute(2, 0, 1).float() / 127.5 - 1  # (3, 128, 512)
    return torch.stack(pixels.split(128, dim=2))


def test_it_is_read_from_a_file_when_there_is_one(tmp_path: Path) -> None:
    file = tmp_path / "preview.json"
    file.write_text(json.dumps({"weight": [[1, 0], [0, 1], [0, 0]], "bias": [0, 0, 2]}))
    made = read_projection(file, 2)(torch.tensor([0.5, -3.0]).reshape(1, 2, 1, 1))
    assert made.flatten().tolist() == [0.5, -1.0, 1.0]
    with pytest.raises(ValueError, match=r"got \(3, 2\) weights; allowed: \(3, 4\)"):
        read_projection(file, 4)


def test_a_file_may_have_several_pixels_for_a_latent(tmp_path: Path) -> None:
    rows = [[k, 0] for k in range(12)]  # (0, 0), (0, 1), (1, 0), (1, 1) of red, then of green, then of blue
    file = tmp_path / "preview.json"
    file.write_text(json.dumps({"weight": rows, "bias": [0.0] * 12}))
    made = read_projection(file, 2)(torch.tensor([0.05, 7.0]).reshape(1, 2, 1, 1))
    assert made.shape == (1, 3, 2, 2)
    torch.testing.assert_close(made.flatten(), torch.arange(12) * 0.05)
    file.write_text(json.dumps({"weight": rows[:9], "bias": [0.0] * 9}))
    with pytest.raises(ValueError, match="square number"):
        read_projection(file, 2)


def test_the_file_beside_the_decoder_is_preferred(tiny: Parts, tiny_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "copy"))
    red = {"weight": [[0, 0, 0, 0]] * 3, "bias": [1, -1, -1]}
    (folder / "vae" / "preview.json").write_text(json.dumps(red))
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    made = load(str(folder), device="cpu", dtype=torch.float32).preview(latents)
    assert torch.equal(made, torch.tensor([1.0, -1.0, -1.0]).reshape(1, 3, 1, 1).expand(1, 3, 8, 8))
    assert not torch.equal(made, tiny.preview(latents))
