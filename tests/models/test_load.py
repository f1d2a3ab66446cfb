"""Loading: what comes back, and a plain sentence for everything that cannot be."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models import ModelError, Parts, defaults, load
from models.hardware import best_dtype
from tests.tiny import write_tiny


@pytest.fixture
def copy(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


def test_what_loading_gives(tiny: Parts) -> None:
    assert (tiny.name, tiny.family) == ("tiny", "stable-diffusion")
    assert (tiny.latent_channels, tiny.scale_factor, tiny.size_multiple) == (4, 8, 8)
    assert tiny.native_size == (64, 64)
    assert tiny.defaults == {"width": 64, "height": 64}
    assert len(tiny.levels) == 1000
    assert tiny.levels[-1] == (0.0, 1.0)
    assert tiny.text_limit == 77
    assert tiny.tokens("a cat") == 5  # begin, "a", "ca", "t", end


def test_the_answers_have_their_shapes(tiny: Parts) -> None:
    context = tiny.encode_text(["a cat", ""])
    assert (context.hidden.shape, context.pooled) == ((2, 77, 32), None)
    x = torch.randn(2, 4, 8, 16, generator=torch.Generator().manual_seed(0))
    x0 = tiny.denoise(x, [tiny.levels[-1], tiny.levels[10]], context)
    assert (x0.shape, x0.dtype) == (x.shape, torch.float32)
    pixels = tiny.decode(x0)
    assert (pixels.shape, pixels.dtype) == ((2, 3, 64, 128), torch.float32)
    assert tiny.preview(x0).shape == (2, 3, 8, 16)


def test_rows_at_different_levels_are_answered_as_alone(tiny: Parts) -> None:
    """To 1e-5 of values of size 1: a matrix product may sum in another order in a larger batch."""
    context = tiny.encode_text(["a cat", "a dog", ""])
    x = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    levels = [tiny.levels[-1], tiny.levels[500], tiny.levels[3]]
    whole = tiny.denoise(x, levels, context)
    for k in range(3):
        alone = tiny.denoise(x[[k]], [levels[k]], context[k : k + 1])
        torch.testing.assert_close(whole[[k]], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sdxl_in_half_precision_is_near_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    folder = str(write_tiny(tmp_path / "xl", "sdxl"))
    exact, half = (load(folder, device="cpu", dtype=one) for one in (torch.float32, dtype))
    assert half.vae.dtype == (
        torch.float32 if dtype == torch.float16 else dtype
    )  # its config says it overflows
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    levels, context = [exact.levels[600]], exact.encode_text(["a cat"])
    plain = exact.denoise(x, levels, context)
    assert (half.denoise(x, levels, context) - plain).std() < 0.02 * plain.std()


def test_bfloat16_answers_are_near_float32(tiny: Parts, tiny_folder: Path) -> None:
    half = load(str(tiny_folder), device="cpu", dtype=torch.bfloat16)
    assert (half.dtype, half.unet.dtype) == (torch.bfloat16, torch.bfloat16)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    levels, context = [tiny.levels[600]], tiny.encode_text(["a cat"])
    exact = tiny.denoise(x, levels, context)
    assert (half.denoise(x, levels, context) - exact).std() < 0.02 * exact.std()


def test_the_number_format_is_the_one_the_cpu_is_fast_at(tiny_folder: Path) -> None:
    assert load(str(tiny_folder), device="cpu").dtype == best_dtype(torch.device("cpu"))


def test_a_text_over_the_limit_is_refused(tiny: Parts) -> None:
    with pytest.raises(ValueError, match="got a text of 102 tokens; allowed: 77"):
        tiny.encode_text(["fine", "x" * 100])


def test_the_hash_names_the_content(tiny: Parts, copy: Path) -> None:
    assert load(str(copy)).sha256 == tiny.sha256
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["conv_in.bias"][0] += 1
    save_file(tensors, weights, {"format": "pt"})
    assert load(str(copy)).sha256 != tiny.sha256


def test_atelier_json_gives_defaults_and_size(copy: Path) -> None:
    (copy / "atelier.json").write_text(json.dumps({"defaults": {"steps": 12}, "native_size": [128, 64]}))
    parts = load(str(copy))
    assert parts.native_size == (128, 64)
    assert parts.defaults == {"width": 128, "height": 64, "steps": 12}
    assert defaults(str(copy)) == parts.defaults


def test_defaults_are_read_without_the_weights(copy: Path) -> None:
    for file in copy.rglob("*.safetensors"):
        file.unlink()
    assert defaults(str(copy)) == {"width": 64, "height": 64}
    (copy / "atelier.json").write_text("{")
    assert defaults(str(copy)) == defaults("no/such-model") == defaults("nowhere") == {}


def test_half_precision_variants_load(copy: Path) -> None:
    for name in ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"):
        (copy / f"{name}.safetensors").rename(copy / f"{name}.fp16.safetensors")
    assert load(str(copy)).unet.config.sample_size == 8


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "nowhere",
            "'nowhere' was not found; allowed: 'starter', a folder, a .safetensors file, or a hub id",
        ),
        ("model.ckpt", "is a pickle"),
        ("model.safetensors", "was not found"),
        ("someone/something", "not on this machine; load it with download=True"),
        ("", "was not found"),
    ],
)
def test_names_that_lead_nowhere(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(name)


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model_index\.json"):
        load(str(tmp_path))


def test_another_family_is_named(copy: Path) -> None:
    (copy / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(ModelError, match="holds a FluxPipeline; allowed: StableDiffusionPipeline"):
        load(str(copy))


def test_a_missing_part_is_named(copy: Path) -> None:
    shutil.rmtree(copy / "vae")
    with pytest.raises(ModelError, match="lacks vae"):
        load(str(copy))


def test_pickles_are_refused(copy: Path) -> None:
    (copy / "unet" / "diffusion_pytorch_model.safetensors").rename(
        copy / "unet" / "diffusion_pytorch_model.bin"
    )
    with pytest.raises(ModelError, match="only pickles, which can run any program; allowed: safetensors"):
        load(str(copy))


@pytest.mark.parametrize(
    "file", ["unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"]
)
def test_missing_weights_are_not_invented(copy: Path, file: str) -> None:
    tensors = load_file(copy / file)
    gone = sorted(tensors)[0]
    del tensors[gone]
    save_file(tensors, copy / file, {"format": "pt"})
    with pytest.raises(ModelError, match="lacks 1 weights"):
        load(str(copy))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("atelier.json", '{"native_size": 128}'),
        ("atelier.json", "[]"),
        ("atelier.json", '{"defaults": 3}'),
        ("model_index.json", "{"),
        ("unet/config.json", "{}}"),
        ("scheduler/scheduler_config.json", '{"trained_betas": "many"}'),
        ("text_encoder/config.json", '{"hidden_size": -1}'),
    ],
)
def test_a_broken_description_is_a_plain_error(copy: Path, file: str, content: str) -> None:
    (copy / file).write_text(content)
    with pytest.raises(ModelError):
        load(str(copy))


@pytest.mark.parametrize(
    "file", ["unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"]
)
def test_a_torn_file_is_a_plain_error(copy: Path, file: str) -> None:
    (copy / file).write_bytes((copy / file).read_bytes()[:500])
    with pytest.raises(ModelError, match="is damaged or not all there"):
        load(str(copy))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize(
    "file", ["vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"]
)
def test_weights_that_are_no_numbers_are_a_plain_error(copy: Path, file: str, value: float) -> None:
    tensors = load_file(copy / file)
    spoilt = sorted(tensors)[-1]
    tensors[spoilt].view(-1)[-1] = value
    save_file(tensors, copy / file, {"format": "pt"})
    with pytest.raises(ModelError, match=r"has weights '.*' that are not numbers"):
        load(str(copy))


def test_networks_of_different_models_are_a_plain_error(copy: Path, tmp_path: Path) -> None:
    xl = write_tiny(tmp_path / "xl", "sdxl")
    shutil.rmtree(copy / "text_encoder")
    shutil.copytree(xl / "text_encoder_2", copy / "text_encoder")
    with pytest.raises(ModelError, match="U-Net for texts of 32 numbers and encoders of 48"):
        load(str(copy))
    shutil.rmtree(xl / "text_encoder_2")
    with pytest.raises(ModelError, match="lacks text_encoder_2; allowed: all of text_encoder"):
        load(str(xl))


def test_an_unknown_scheduler_setting_is_a_plain_error(tmp_path: Path) -> None:
    folder = write_tiny(tmp_path / "odd")
    file = folder / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"beta_schedule": "sigmoid"}))
    with pytest.raises(ModelError, match="got beta_schedule 'sigmoid'"):
        load(str(folder))
