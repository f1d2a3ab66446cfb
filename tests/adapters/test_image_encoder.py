"""CLIP's image encoders: found by what fits, as folders or alone, and what is wrong with one is said."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapters import ImageEncoderFolder, IpAdapterFolder
from adapters.image_encoder import load_image_encoder, sees
from benchmarks.parity.ip_adapters import SCENE, Home
from benchmarks.parity.latents import Models
from models import ModelError, Parts
from models.header import read_header
from models.ip_adapter import Sight
from tests.ldm import write_header
from tests.tiny import SEEN, write_image_encoder


@pytest.fixture(scope="module")
def sd(tiny_models: Models) -> Home:
    return Home(tiny_models, "sd")


@pytest.mark.parametrize("name", ["base", "plus"])
def test_without_its_image_encoder_it_says_what_to_download(sd: Home, tmp_path: Path, name: str) -> None:
    folder = IpAdapterFolder(sd.adapters, ImageEncoderFolder(tmp_path))
    with pytest.raises(
        ModelError, match=f"^IP-Adapter '{name}' sees pictures by a CLIP whose .* {SEEN[name == 'plus']}"
    ):
        folder.load(name, sd.parts)


@pytest.mark.parametrize(("fine", "width", "said"), [
    (False, 1024, "CLIP ViT-H/14, which is not here; download models/image_encoder of h94/IP-Adapter"),
    (True, 1280, "CLIP ViT-H/14, which is not here; download models/image_encoder of h94/IP-Adapter"),
    (False, 1280, "ViT-bigG/14, which is not here; download sdxl_models/image_encoder of h94/IP-Adapter"),
])  # fmt: skip
def test_the_published_ones_are_named(fine: bool, width: int, said: str) -> None:
    assert (
        said in Sight(fine, width).missing
        and "into the studio's folder 'image-encoders'" in Sight(fine, width).missing
    )


def test_it_is_found_by_its_width_and_shared(sd: Home, tmp_path: Path) -> None:
    shutil.copytree(sd.encoder, tmp_path / "b")
    write_header(tmp_path / "a.safetensors", {"visual_projection.weight": (7, 9), "vision_model.x": (1,)})
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    folder = IpAdapterFolder(sd.adapters, ImageEncoderFolder(tmp_path))
    base, plus = folder.load("base", sd.parts), folder.load("plus", sd.parts)
    assert base.encoder.name == "b" and base.encoder is plus.encoder


def test_a_single_file_is_the_folder(sd: Home, tmp_path: Path) -> None:
    weights = load_file(sd.encoder / "model.safetensors")
    counted = {"vision_model.embeddings.position_ids": torch.arange(17)[None]}
    save_file(weights | counted, tmp_path / "clip-h.safetensors")
    alone = load_image_encoder(tmp_path / "clip-h.safetensors", sd.parts)
    folder = load_image_encoder(sd.encoder / "model.safetensors", sd.parts)
    assert (alone.name, folder.name) == ("clip-h", sd.encoder.name)
    for fine in (False, True):
        torch.testing.assert_close(alone.see(SCENE, fine)[0], folder.see(SCENE, fine)[0])
    assert sees(read_header(tmp_path / "clip-h.safetensors")) == (Sight(False, 24), Sight(True, 32))


LAST, PLACES = "vision_model.post_layernorm.bias", "vision_model.embeddings.position_embedding.weight"
SPOILT: dict[str, tuple[Callable[[dict[str, Tensor]], Any], str]] = {
    "missing": (lambda w: w.pop(LAST), "lacks 1 weights"),
    "shape": (lambda w: w.update({LAST: torch.ones(3)}), r"of shape \(3,\); allowed"),
    "not CLIP": (lambda w: w.pop(PLACES), "is not CLIP's; allowed"),
    "not numbers": (lambda w: w["visual_projection.weight"].fill_(float("nan")), "not numbers"),
}  # fmt: skip


@pytest.mark.parametrize("damage", SPOILT)
def test_a_damaged_image_encoder_is_refused(sd: Home, tmp_path: Path, damage: str) -> None:
    change, said = SPOILT[damage]
    weights = load_file(sd.encoder / "model.safetensors")
    change(weights)
    save_file(weights, tmp_path / "clip.safetensors")
    with pytest.raises(ModelError, match=f"^Image encoder 'clip' .*{said}"):
        load_image_encoder(tmp_path / "clip.safetensors", sd.parts)


def test_an_encoder_of_holes_is_not_read(tiny: Parts, tmp_path: Path) -> None:
    write_image_encoder(tmp_path / "clip")
    shapes = dict(read_header(tmp_path / "clip" / "model.safetensors").shapes)
    shapes[LAST] = (3 << 30,)
    write_header(tmp_path / "holes.safetensors", shapes)
    with pytest.raises(ModelError, match="^Image encoder 'holes' has weights .*allowed"):
        load_image_encoder(tmp_path / "holes.safetensors", tiny)
