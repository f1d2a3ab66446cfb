"""Upscales: of the right size, without seams, of safetensors alone, beside other pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from adapters import LoraFolder, UpscalerFolder
from engine import Engine
from engine.catalogue import Catalogue
from gallery import Gallery, sha256_of
from gallery.enlarged import enlarged as settings_of
from models import ModelError, Parts
from models.header import read_header
from models.kind import describe
from models.torchvision_guard import guard_torchvision
from models.upscaler import load_upscaler, upscales
from pipelines import Recipe, RecipeError, draw, upscaling
from pipelines.tiles import Grid
from tests.pipelines.test_edit import noise_picture
from tests.pipelines.test_tiles import a_texture


def write_esrgan(file: Path, scale: int = 2, **shape: Any) -> Path:
    """Save a tiny ESRGAN of random weights that give colours near the middle; returns ``file``."""
    guard_torchvision()
    from spandrel.architectures.ESRGAN.__arch.RRDB import RRDBNet

    torch.manual_seed(0)
    net = RRDBNet(**({"in_nc": 3, "out_nc": 3, "num_filters": 8, "num_blocks": 1, "scale": scale} | shape))
    state = {name: value.contiguous() for name, value in net.state_dict().items()}
    last = max(name for name in state if name.endswith("bias"))
    state[last] = state[last] + 0.5
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, file)
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> UpscalerFolder:
    home = tmp_path_factory.mktemp("upscalers")
    write_esrgan(home / "twice.safetensors")
    return UpscalerFolder(home)


def recipe_of(picture: Image.Image, upscaler: str = "twice", scale: float = 2.0, **of: Any) -> Recipe:
    upscale = {"picture": sha256_of(picture), "upscaler": upscaler, "scale": scale}
    return Recipe.read({"upscale": upscale} | of)


def enlarged(parts: Parts, folder: UpscalerFolder | None, picture: Image.Image, **of: Any) -> Image.Image:
    made = draw(recipe_of(picture, **of), parts, pictures={sha256_of(picture): picture}, upscalers=folder)
    return made[0]


@pytest.mark.parametrize(("upscaler", "scale"), [("lanczos", 3.0), ("twice", 2.0), ("twice", 1.5)])
def test_it_is_as_large_as_was_asked(
    upscaler: str, scale: float, tiny: Parts, folder: UpscalerFolder
) -> None:
    made = enlarged(tiny, folder, noise_picture(50, 30, 4), upscaler=upscaler, scale=scale)
    assert made.size == (round(50 * scale), round(30 * scale)) and made.mode == "RGBA"


def test_tiles_have_no_seams(tiny: Parts, folder: UpscalerFolder) -> None:
    """In tiles it is what it is at once, but for what a tile cannot see beyond its border."""
    ramp = np.linspace(0, 255, 600).astype(np.uint8)
    picture = Image.fromarray(np.stack([np.tile(ramp, (300, 1))] * 3, -1))
    made = np.asarray(enlarged(tiny, folder, picture), np.float64)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 127.5 - 1
    whole = load_upscaler(folder["twice"], tiny).enlarge(pixels)[0].permute(1, 2, 0).numpy()
    assert made.shape == whole.shape and np.abs((whole + 1) * 127.5 - made).max() <= 1.5


def test_borders_of_enlarged_tiles_are_like_the_rest(
    tiny: Parts, folder: UpscalerFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean gradient across the borders of tiles against that elsewhere: within 5 %. From one pixel before
    to the next only, as those have a border of their own everywhere."""
    monkeypatch.setattr(upscaling, "SIDE", 64)
    monkeypatch.setattr(upscaling, "OVERLAP", 16)
    textures = [a_texture(256, seed) for seed in range(3)]
    made = np.stack([np.asarray(enlarged(tiny, folder, one), np.float64) for one in textures])
    ends = {2 * end for _, span in Grid((256, 256), 64, 16).boxes for end in (span.start, span.stop)}
    places = np.arange(32, 512 - 31, 2)
    at = np.isin(places, sorted(ends))
    assert at.sum() == 8
    for values in (made, made.swapaxes(1, 2)):
        gradients = np.abs(values[:, :, places] - values[:, :, places - 1]).mean((0, 1, 3))
        ratio = gradients[at].mean() / gradients[~at].mean()
        print(f"enlarged tiles: {ratio:.3f}")
        assert abs(ratio - 1) < 0.05


def test_the_engine_upscales_beside_others(tiny: Parts, folder: UpscalerFolder) -> None:
    picture = noise_picture(300, 40)
    with Engine(lambda name: tiny, pictures={sha256_of(picture): picture}, upscalers=folder) as engine:
        jobs = [engine.submit(recipe_of(picture)), engine.submit(Recipe(steps=2, width=64, height=64))]
        [made], [other] = (job.result(60) for job in jobs)
    assert made.tobytes() == enlarged(tiny, folder, picture).tobytes() and other.size == (64, 64)


def test_what_drew_the_picture_need_not_be_here(tiny: Parts, tmp_path: Path) -> None:
    """Only what it says comes along: no model, VAE, LoRA or wildcard of its drawing is asked for."""
    picture = noise_picture(30, 20)
    drew = Recipe(prompt="__nowhere__ <lora:gone>", model="gone", vae="gone", seed=7)
    recipe = Recipe.read(settings_of(drew, {"picture": sha256_of(picture), "scale": 2.0}))
    gallery, wanted = Gallery(tmp_path), []
    gallery.inputs.add(picture)
    with Engine(lambda name: wanted.append(name) or tiny, gallery, loras=LoraFolder(tmp_path)) as engine:
        job = engine.submit(recipe)
        [entry] = job.result(60)
        assert engine.notes(job) == ()
    assert wanted == ["starter"] and entry.recipe == recipe and (entry.width, entry.height) == (60, 40)
    gallery.close()


def test_a_studio_finds_them_in_other_studios_folders(tmp_path: Path) -> None:
    write_esrgan(tmp_path / "webui" / "models" / "ESRGAN" / "sharp.safetensors", 4)
    (tmp_path / "webui" / "models" / "ESRGAN" / "old.pth").write_bytes(b"PK\x03\x04" * 99)
    write_esrgan(tmp_path / "home" / "upscalers" / "soft.safetensors")
    catalogue = Catalogue(tmp_path / "home", [tmp_path / "webui"], None)
    catalogue.look()
    assert catalogue.files("upscaler").keys() == {"sharp", "soft"}
    [refused] = [model for model in catalogue.all() if model.kind is None]
    assert "pickle" in refused.found.fault


def test_what_is_no_upscaler_is_refused(tiny: Parts, tmp_path: Path) -> None:
    grey = write_esrgan(tmp_path / "grey.safetensors", in_nc=1, out_nc=1)
    deep = tmp_path / "deep.safetensors"
    state = {
        "model.0.weight": torch.zeros(8, 3, 3, 3),
        "model.1.sub.999999.RDB1.conv1.0.weight": torch.zeros(1),
    }
    save_file(state, deep)
    other = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(2, 2, 2, 2)}, other)
    for file in (grey, deep, other):
        with pytest.raises(ModelError, match="is no upscaler; allowed: one that enlarges RGB"):
            load_upscaler(file, tiny)
    assert not upscales(read_header(deep)) and not upscales(read_header(other))
    assert describe(read_header(write_esrgan(tmp_path / "good.safetensors"))).kind == "upscaler"


@pytest.mark.parametrize(("of", "said"), [
    ({"upscaler": "gone"}, "^Upscaler: got the upscaler 'gone'; allowed: twice"),
    ({"scale": 9.0}, "^Upscale, Scale: got 9.0; allowed: a number from 1 to 8"),
    ({"count": 2}, "^Upscale: got one for 2 pictures; allowed: for one"),
    ({"hires": {"scale": 2.0}}, "^Upscale: got one with Hires fix; allowed: one of the two"),
    ({"size": (4000, 4000)}, "^Scale: got 2 of 4000 x 4000 pixels; allowed: a result of at most 16777216"),
])  # fmt: skip
def test_what_cannot_be_says_why(of: dict[str, Any], said: str, tiny: Parts, folder: UpscalerFolder) -> None:
    picture = Image.new("RGB", of.pop("size", (20, 20)))
    with pytest.raises(RecipeError, match=said):
        enlarged(tiny, folder, picture, **of)
