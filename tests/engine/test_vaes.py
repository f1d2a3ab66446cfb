"""Another VAE is chosen by name, recipe by recipe: the model is loaded once, and what it drew says so."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine import Catalogue, Engine, JobFailed
from models import ModelError, Parts, load, with_vae
from pipelines import Recipe, RecipeError, draw


@pytest.fixture(scope="module")
def home(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a model, a VAE that is another, and one of other latents."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(tiny_folder, home / "models" / "tiny")
    other = home / "models" / "other"
    shutil.copytree(tiny_folder / "vae", other)
    [file] = other.glob("*.safetensors")
    weights = load_file(file)
    save_file(
        {name: -0.5 * w if name == "decoder.conv_out.weight" else w for name, w in weights.items()}, file
    )
    return home


@pytest.fixture(scope="module")
def catalogue(home: Path) -> Catalogue:
    catalogue = Catalogue(home, starter=None)
    catalogue.look()
    return catalogue


def test_a_recipe_may_name_a_vae(catalogue: Catalogue, home: Path, a_recipe: Callable[..., Recipe]) -> None:
    loads: list[str] = []

    def loading(name: str) -> Parts:
        loads.append(name)
        return catalogue.load(name)

    with Engine(loading, vaes=catalogue.with_vae) as engine:
        jobs = [engine.submit(a_recipe(vae=vae, seed=3)) for vae in ("other", "", "other")]
        first, own, again = (np.int16(job.result(60)[0]) for job in jobs)
        parts = engine.loaded("tiny")
    assert parts is not None and loads == ["tiny"]
    assert np.abs(first - again).max() <= 1 and np.abs(first - own).max() > 8
    for vae, wanted in (("other", first), (None, own)):
        path = vae and str(home / "models" / vae)
        alone = load(str(home / "models" / "tiny"), vae=path, dtype=parts.dtype)
        assert np.abs(np.int16(draw(a_recipe(seed=3), alone)[0]) - wanted).max() <= 1


def test_a_vae_that_is_not_here_names_the_field(
    catalogue: Catalogue, a_recipe: Callable[..., Recipe]
) -> None:
    with Engine(catalogue.load, vaes=catalogue.with_vae) as engine:
        with pytest.raises(JobFailed, match="VAE: got '/etc/passwd'; allowed: other"):
            engine.submit(a_recipe(vae="/etc/passwd")).result(60)
        with pytest.raises(RecipeError, match="VAE: got 'nothing'; allowed: other"):  # now that it is loaded
            engine.submit(a_recipe(vae="nothing"))


def test_the_networks_are_shared_and_the_model_keeps_its_own(tiny: Parts, home: Path) -> None:
    before = tiny.vae
    other = with_vae(tiny, str(home / "models" / "other"))
    assert other.unet is tiny.unet and other.encoders is tiny.encoders
    assert tiny.vae is before and other.vae is not before
    assert other.sha256 != tiny.sha256 and with_vae(other, str(tiny.path / "vae")).sha256 != other.sha256


def test_a_vae_of_other_latents_is_refused(tiny: Parts, tmp_path: Path) -> None:
    from diffusers import AutoencoderKL

    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    vae = AutoencoderKL(
        block_out_channels=(8, 8), norm_num_groups=4, latent_channels=4, scaling_factor=0.5, **blocks
    )
    vae.save_pretrained(tmp_path / "coarse")
    with pytest.raises(ModelError, match="'coarse' has 4 latent channels of 2 pixels; allowed: 4 of 8"):
        with_vae(tiny, str(tmp_path / "coarse"))


def test_drawing_without_an_engine_takes_its_path(tiny: Parts, home: Path) -> None:
    recipe = Recipe(prompt="a cat", steps=2, width=64, height=64, seed=5)
    own = draw(recipe, tiny)[0]
    other = draw(recipe.model_copy(update={"vae": str(home / "models" / "other")}), tiny)[0]
    assert other.tobytes() != own.tobytes() == draw(recipe, tiny)[0].tobytes()
    with pytest.raises(RecipeError, match="^VAE: VAE 'nothing' was not found"):
        draw(recipe.model_copy(update={"vae": "nothing"}), tiny)
    assert torch.isfinite(tiny.decode(torch.zeros(1, 4, 8, 8))).all()
