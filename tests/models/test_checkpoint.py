"""Checkpoint files: the folder's own weights come back, and everything else is a plain sentence."""

import json
import random
import shutil
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models import ModelError, Parts, defaults, load
from models.header import LARGEST_HEADER, MOST_TENSORS
from tests.ldm import UNET, ldm_vae, ldm_weights, write_header, write_ldm
from tests.tiny import Family, write_tiny

FAMILIES: list[Family] = ["sd", "sd2", "sdxl"]


def read(file: Path, folder: Path, **wishes: str) -> Parts:
    return load(str(file), config=str(folder), device="cpu", dtype=torch.float32, **wishes)


def networks(parts: Parts) -> dict[str, dict[str, Tensor]]:
    texts = {f"text {k}": encoder.network for k, encoder in enumerate(parts.encoders)}
    return {name: n.state_dict() for name, n in {"unet": parts.unet, "vae": parts.vae, **texts}.items()}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Family, Path]:
    whole = tmp_path_factory.mktemp("families")
    return {family: write_tiny(whole / family, family) for family in FAMILIES}


@pytest.fixture
def weights(folders: dict[Family, Path]) -> dict[str, Tensor]:
    return ldm_weights(folders["sd"])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_is_the_folders_own(family: Family, folders: dict[Family, Path], tmp_path: Path) -> None:
    folder = folders[family]
    file = write_ldm(folder, tmp_path / "my model.safetensors")
    ours, theirs = read(file, folder), load(str(folder), device="cpu", dtype=torch.float32)
    assert (ours.name, ours.path, ours.family) == ("my model", file, theirs.family)
    assert ours.parametrisation == theirs.parametrisation
    for name, expected in networks(theirs).items():
        got = networks(ours)[name]
        assert got.keys() == expected.keys() and got
        assert all(torch.equal(got[key], weight) for key, weight in expected.items())


def test_the_weights_do_not_follow_the_file(folders: dict[Family, Path], tmp_path: Path) -> None:
    file = write_ldm(folders["sd"], tmp_path / "model.safetensors")
    parts = read(file, folders["sd"])
    before = parts.unet.conv_in.weight.clone()
    with file.open("r+b") as stream:  # in place, as some tools save
        stream.seek(8 + int.from_bytes(file.read_bytes()[:8], "little"))
        stream.write(b"\0" * (file.stat().st_size - stream.tell()))
    assert torch.equal(parts.unet.conv_in.weight, before)


def test_half_precision_files_and_clip_without_its_wrapper_load(
    folders: dict[Family, Path], weights: dict[str, Tensor], tmp_path: Path
) -> None:
    bare = {name.replace("transformer.text_model.", "transformer."): t for name, t in weights.items()}
    save_file({name: t.half() for name, t in bare.items()}, tmp_path / "half.safetensors")
    parts = read(tmp_path / "half.safetensors", folders["sd"])
    assert parts.unet.dtype == torch.float32
    expected = load(str(folders["sd"]), device="cpu", dtype=torch.float32).encoders[0].network.state_dict()
    for name, weight in parts.encoders[0].network.state_dict().items():
        assert torch.equal(weight, expected[name].half().float())


def test_training_leftovers_are_no_part_of_the_model(folders: dict[Family, Path], tmp_path: Path) -> None:
    extra = {"model_ema.decay": torch.tensor(0.99), "betas": torch.zeros(1000),
             "first_stage_model.loss.logvar": torch.zeros(1)}  # fmt: skip
    file = write_ldm(folders["sd"], tmp_path / "model.safetensors", None, **extra)
    assert read(file, folders["sd"]).unet.config.in_channels == 4


@pytest.mark.parametrize(
    ("metadata", "extra", "wish", "prediction", "pure_noise"),
    [
        ({}, (), None, "epsilon", False),  # the config's own
        ({"modelspec.prediction_type": "v"}, (), None, "v_prediction", False),
        ({"modelspec.prediction_type": "epsilon"}, ("v_pred",), None, "v_prediction", False),
        ({"modelspec.architecture": "stable-diffusion-v2-768-v"}, (), None, "v_prediction", False),
        ({}, ("v_pred", "ztsnr"), None, "v_prediction", True),
        ({}, ("v_pred", "ztsnr"), "sample", "sample", True),
        ({"modelspec.prediction_type": "v"}, (), "epsilon", "epsilon", False),
    ],
)
def test_what_the_file_says_it_predicts_and_what_the_user_chooses(
    metadata: dict[str, str], extra: tuple[str, ...], wish: str | None, prediction: str, pure_noise: bool,
    tmp_path: Path,
) -> None:  # fmt: skip
    plain = {"prediction_type": "epsilon", "rescale_betas_zero_snr": False, "timestep_spacing": "leading"}
    folder = write_tiny(tmp_path / "tiny", **plain)
    markers = {name: torch.tensor([]) for name in extra}
    file = write_ldm(folder, tmp_path / "model.safetensors", metadata, **markers)
    parts = read(file, folder, **({"prediction": wish} if wish else {}))
    assert parts.parametrisation.prediction == prediction
    assert (parts.levels[-1].alpha == 0) == pure_noise
    assert parts.table.spacing == ("trailing" if pure_noise else "leading")
    assert parts.notes == ()


def test_what_cannot_be_chosen(folders: dict[Family, Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="^prediction: got 'v'; allowed: epsilon, v_prediction, sample"):
        load(str(folders["sd"]), prediction="v")
    with pytest.raises(ModelError, match="^config: got .* with a folder"):
        load(str(folders["sd"]), config=str(folders["sd"]))
    file = write_ldm(
        folders["sd"], tmp_path / "m.safetensors", None, v_pred=torch.ones(1), ztsnr=torch.ones(1)
    )
    with pytest.raises(ModelError, match="says nothing about x0 at zero terminal SNR"):
        read(file, folders["sd"], prediction="epsilon")


def test_a_folders_prediction_can_be_overridden(folders: dict[Family, Path]) -> None:
    parts = load(str(folders["sd"]), device="cpu", dtype=torch.float32, prediction="sample")
    assert parts.parametrisation.prediction == "sample"


# Another VAE


@pytest.mark.parametrize("named", ["ldm", "ldm in a checkpoint", "diffusers", "folder"])
def test_another_vae_may_be_chosen(named: str, folders: dict[Family, Path], tmp_path: Path) -> None:
    vae = tmp_path / "vae"
    shutil.copytree(folders["sd"] / "vae", vae)
    [file] = vae.glob("*.safetensors")
    other = {name: tensor * 1.5 for name, tensor in load_file(file).items()}
    save_file(other, file, {"format": "pt"})
    chosen = vae if named == "folder" else file if named == "diffusers" else tmp_path / "other.safetensors"
    if named.startswith("ldm"):
        save_file(ldm_vae(other, "first_stage_model." if "checkpoint" in named else ""), chosen)
    parts = load(str(folders["sd"]), device="cpu", dtype=torch.float32, vae=str(chosen))
    assert all(torch.equal(weight, other[name]) for name, weight in parts.vae.state_dict().items())
    assert parts.sha256 != load(str(folders["sd"]), device="cpu").sha256
    own = load(str(folders["sd"]), device="cpu", dtype=torch.float32)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(parts.decode(latents), own.decode(latents), atol=1e-2)


def test_a_file_without_a_vae_loads_with_one(
    folders: dict[Family, Path], weights: dict[str, Tensor], tmp_path: Path
) -> None:
    pruned = {name: t for name, t in weights.items() if not name.startswith("first_stage_model.")}
    save_file(pruned, tmp_path / "pruned.safetensors")
    with pytest.raises(ModelError, match="has no VAE; choose one beside it"):
        read(tmp_path / "pruned.safetensors", folders["sd"])
    parts = read(tmp_path / "pruned.safetensors", folders["sd"], vae=str(folders["sd"] / "vae"))
    assert parts.decode(torch.zeros(1, 4, 8, 8)).shape == (1, 3, 64, 64)


def test_a_vae_of_another_kind_is_refused(folders: dict[Family, Path], tmp_path: Path) -> None:
    vae = Path(shutil.copytree(folders["sd"] / "vae", tmp_path / "vae"))
    config = json.loads((vae / "config.json").read_text())
    (vae / "config.json").write_text(json.dumps(config | {"scaling_factor": 0.13025}))
    with pytest.raises(ModelError, match=r"has latents of scale 0\.13025; allowed: 0\.5, the model's"):
        load(str(folders["sd"]), vae=str(vae))
    for name, message in (("x.pt", "is a pickle"), ("x.safetensors", "was not found"), ("", "was not found")):
        with pytest.raises(ModelError, match=message):
            load(str(folders["sd"]), vae=str(tmp_path / name) if name else "nowhere")


def test_a_vae_that_overflows_in_half_precision_is_run_again(
    folders: dict[Family, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One gain so large that its layer passes 65504, which the normalisation after it takes back."""
    folder = Path(shutil.copytree(folders["sd"], tmp_path / "loud"))
    [file] = (folder / "vae").glob("*.safetensors")
    tensors = load_file(file)
    tensors["decoder.conv_in.weight"] *= 3e4
    tensors["decoder.conv_in.bias"] += 6e4
    save_file(tensors, file, {"format": "pt"})
    half = load(str(folder), device="cpu", dtype=torch.float16)
    exact = load(str(folder), device="cpu", dtype=torch.float32)
    assert half.vae.dtype == torch.float16 and half.notes == ()
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    pixels = half.decode(latents)
    assert pixels.isfinite().all() and pixels.std() > 0.01
    assert (pixels - exact.decode(latents)).abs().max() < 0.02
    assert half.vae.dtype == torch.float32
    assert half.notes == ("The VAE's answer was not a number in half precision; it works in float32 since.",)
    assert half.notes[0] in caplog.text


def test_a_vae_that_overflows_in_half_precision_encodes_again(
    folders: dict[Family, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(shutil.copytree(folders["sd"], tmp_path / "loud"))
    [file] = (folder / "vae").glob("*.safetensors")
    tensors = load_file(file)
    tensors["encoder.conv_in.weight"] *= 3e4
    tensors["encoder.conv_in.bias"] += 6e4
    save_file(tensors, file, {"format": "pt"})
    half = load(str(folder), device="cpu", dtype=torch.float16)
    exact = load(str(folder), device="cpu", dtype=torch.float32)
    assert half.vae.dtype == torch.float16
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = half.encode(pixels)
    assert latents.isfinite().all() and (latents - exact.encode(pixels)).abs().max() < 0.05
    assert half.vae.dtype == torch.float32 and half.notes and half.notes[0] in caplog.text


def test_a_vae_is_not_blamed_for_what_was_no_number_before(
    folders: dict[Family, Path], caplog: pytest.LogCaptureFixture
) -> None:
    half = load(str(folders["sd"]), device="cpu", dtype=torch.float16)
    assert not half.decode(torch.full((1, 4, 8, 8), torch.nan)).isfinite().any()
    assert not half.encode(torch.full((1, 3, 64, 64), torch.nan)).isfinite().any()
    assert half.vae.dtype == torch.float16 and half.notes == () and not caplog.records


# Files that are none


def test_a_pickle_says_how_to_convert_it(tmp_path: Path) -> None:
    for name in ("model.ckpt", "model.pt"):
        with pytest.raises(ModelError, match=r"is a pickle.*docs/user-guide.md has the command"):
            load(str(tmp_path / name))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged or not all there"),
        (b"\x10", "damaged or not all there"),
        (b"PK\x03\x04" + b"\0" * 100, "a pickle of torch.save"),
        (b"\x80\x02}q\x00." + b"\0" * 100, "a pickle, which can run any program"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"GGUF\x03\0\0\0" + b"\0" * 100, "a GGUF file"),
        ((2**60).to_bytes(8, "little") + b"{}" * 50, "its 108 bytes end in its header"),
        ((90).to_bytes(8, "little") + b'{"a":' * 18, "damaged or not all there"),
        ((12000).to_bytes(8, "little") + b'{"":' + b"[" * 11996, "damaged or not all there"),
    ],
)
def test_what_is_no_safetensors_file(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load(str(tmp_path / "model.safetensors"))


def test_headers_over_the_limits_are_not_parsed(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    with file.open("wb") as stream:
        stream.write((LARGEST_HEADER + 1).to_bytes(8, "little") + b"{")
        stream.truncate(LARGEST_HEADER + 9)
    with pytest.raises(ModelError, match=f"has a header of {LARGEST_HEADER + 1} bytes; allowed"):
        load(str(file))
    save_file({f"input_blocks.{k}.0": torch.zeros(0) for k in range(MOST_TENSORS + 1)}, file)
    with pytest.raises(ModelError, match=f"has {MOST_TENSORS + 1} tensors; allowed"):
        load(str(file))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["lora_unet_down_blocks_0.lora_down.weight"], "holds a LoRA; allowed: a whole checkpoint"),
        (["control_model.time_embed.0.weight"], "holds a ControlNet"),
        (["model.diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale"], "holds a Flux model"),
        (
            ["model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"],
            "holds a Stable Diffusion 3 model",
        ),
        (["emb_params"], "holds an embedding"),
        (["encoder.conv_in.weight"], "holds a VAE"),
        (["down_blocks.0.resnets.0.conv1.weight"], "holds one network under diffusers' names"),
        (["anything"], "no U-Net under LDM's names"),
    ],
)
def test_other_files_are_named(names: list[str], message: str, tmp_path: Path) -> None:
    save_file({name: torch.zeros(1) for name in names}, tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match=message):
        load(str(tmp_path / "x.safetensors"))
    assert defaults(str(tmp_path / "x.safetensors")) == {}


def spoilt(weights: dict[str, Tensor], how: str) -> dict[str, Tensor]:
    name = f"{UNET}input_blocks.1.0.in_layers.2.weight"
    match how:
        case "shape":
            return weights | {name: weights[name][:, :-1].contiguous()}
        case "missing":
            return {other: t for other, t in weights.items() if other != name}
        case "renamed":
            return {("model.diffusion_model.x" if k == name else k): t for k, t in weights.items()}
        case "more":
            return weights | {f"{UNET}input_blocks.99.0.in_layers.2.weight": torch.zeros(1)}
        case "nan":
            return weights | {name: torch.full_like(weights[name], torch.nan)}
        case "infinite":
            return weights | {name: torch.full_like(weights[name], torch.inf)}
        case "scalar":
            return weights | {f"{UNET}input_blocks.0.0.weight": torch.zeros(())}
        case "five channels":
            return weights | {f"{UNET}input_blocks.0.0.weight": torch.zeros(16, 5, 3, 3)}
        case "no text":
            return {k: t for k, t in weights.items() if not k.startswith("cond_stage_model.")}
        case "text":
            at = "cond_stage_model.transformer.text_model.final_layer_norm.weight"
            return {k: t for k, t in weights.items() if k != at}
        case "vae":
            at = "first_stage_model.decoder.mid.attn_1.q.weight"
            return weights | {at: torch.zeros(3)}
        case other:
            raise AssertionError(other)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("shape", r"U-Net of file .* has weights 'down_blocks.0.resnets.0.conv1.weight' of shape"),
        ("missing", r"U-Net of file .* has \d+ weights; allowed: \d+"),
        ("renamed", r"U-Net of file .* lacks 1 weights \(down_blocks.0.resnets.0.conv1.weight"),
        ("more", r"U-Net of file .* has \d+ weights; allowed: \d+"),
        ("nan", r"U-Net of file .* that are not numbers"),
        ("infinite", r"U-Net of file .* that are not numbers"),
        ("scalar", r"first convolution of shape \(\)"),
        ("five channels", r"first convolution of shape \(16, 5, 3, 3\); allowed: from 4 channels"),
        ("no text", "has no text encoder"),
        ("text", r"text encoder of file .* lacks 1 weights \(final_layer_norm.weight"),
        ("vae", r"VAE of file"),
    ],
)
def test_weights_that_do_not_fit(
    how: str, message: str, folders: dict[Family, Path], weights: dict[str, Tensor], tmp_path: Path
) -> None:
    save_file(spoilt(weights, how), tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=message):
        read(tmp_path / "model.safetensors", folders["sd"])


def test_a_file_of_holes_is_not_read(folders: dict[Family, Path], tmp_path: Path) -> None:
    """OpenCLIP's joint weights are cut in three, and so read, before their shapes are compared."""
    folder = folders["sd2"]
    shapes = {name: tuple(tensor.shape) for name, tensor in ldm_weights(folder).items()}
    joint = "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight"
    file = write_header(tmp_path / "holes.safetensors", shapes | {joint: (10**6, 10**3)})
    with pytest.raises(ModelError, match=r"text encoder of file .* has 1000\d{6} numbers; allowed: at most"):
        read(file, folder)


def test_damaged_files_are_clear_errors_or_sound_models(folders: dict[Family, Path], tmp_path: Path) -> None:
    """300 files cut short or with a bit of the header turned over; each answered in under two seconds."""
    whole = write_ldm(folders["sd"], tmp_path / "whole.safetensors").read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    draws, refused = random.Random(0), 0
    for k in range(300):
        damaged = bytearray(whole)
        if k < 100:
            damaged = damaged[: draws.randrange(len(whole))]
        else:
            at = draws.randrange(header)
            damaged[at] ^= 1 << draws.randrange(8)
        file = tmp_path / "damaged.safetensors"
        file.write_bytes(damaged)
        began = time.monotonic()
        try:
            parts = read(file, folders["sd"])
        except ModelError as error:
            assert str(file) in str(error), error
            refused += 1
        else:  # a name or a type of what is no part of the model
            assert all(t.isfinite().all() for net in networks(parts).values() for t in net.values())
        assert time.monotonic() - began < 2
    assert refused > 270
