"""The families' shipped descriptions: true sizes and names, from headers alone, with no full-size weight."""

from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models import ModelError, defaults
from models.checkpoint import CONVERTERS, PREFIXES, from_checkpoint, read_config
from models.header import read_header
from models.layout import read_layout
from models.networks import empty, fill
from models.recognise import FAMILIES, recognise
from models.tokenizer import read_tokenizer
from models.torchvision_guard import guard_torchvision
from pipelines import Recipe
from tests.ldm import UNET, clip, ldm_unet, ldm_vae, open_clip, write_header

PARAMETERS = {  # of the published models
    "sd1": {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480},
    "sd2": {"unet": 865_910_724, "vae": 83_653_863, "text_encoder": 340_387_840},
    "sdxl": {
        "unet": 2_567_463_684,
        "vae": 83_653_863,
        "text_encoder": 123_060_480,
        "text_encoder_2": 694_659_840,
    },
}


def kind(part: str) -> Any:
    guard_torchvision()
    import diffusers
    import transformers

    return {
        "unet": diffusers.UNet2DConditionModel,
        "vae": diffusers.AutoencoderKL,
        "text_encoder": transformers.CLIPTextModel,
        "text_encoder_2": transformers.CLIPTextModelWithProjection,
    }[part]


@cache
def network(family: str, part: str) -> Any:
    return empty(kind(part), read_config(FAMILIES / family, part))


@cache
def checkpoint(family: str) -> dict[str, Tensor]:
    """The names and shapes of a family's checkpoint file; no memory."""
    unet, vae = network(family, "unet"), network(family, "vae")
    named = ldm_unet(unet.state_dict(), unet.config) | ldm_vae(vae.state_dict(), "first_stage_model.")
    text = network(family, "text_encoder").state_dict()
    if family == "sd2":
        return named | open_clip(text, "cond_stage_model.model.")
    if family == "sd1":
        return named | clip(text, "cond_stage_model.transformer.text_model.")
    second = {
        n.removeprefix("text_model."): t for n, t in network(family, "text_encoder_2").state_dict().items()
    }
    named |= clip(text, "conditioner.embedders.0.transformer.text_model.")
    return named | open_clip(second, "conditioner.embedders.1.model.")


def shapes_of(family: str, channels: int = 4) -> dict[str, tuple[int, ...]]:
    shapes = {name: tuple(tensor.shape) for name, tensor in checkpoint(family).items()}
    first = f"{UNET}input_blocks.0.0.weight"
    return shapes | {first: (shapes[first][0], channels, 3, 3)}


@pytest.mark.parametrize("family", PARAMETERS)
def test_networks_are_of_the_published_size(family: str) -> None:
    for part, count in PARAMETERS[family].items():
        assert sum(parameter.numel() for parameter in network(family, part).parameters()) == count, part


@pytest.mark.parametrize(
    ("family", "count", "known"),
    [
        ("sd1", 1131, ("v1", "inpainting", "clip")),  # as many as the pruned files of SD 1.5
        ("sd2", None, ("v2", "open_clip")),
        ("sdxl", 2515, ("xl_base", "clip_sdxl", "open_clip_sdxl")),  # as many as SDXL base
    ],
)
def test_the_names_are_those_that_files_are_known_by(
    family: str, count: int | None, known: tuple[str, ...]
) -> None:
    guard_torchvision()
    from diffusers.loaders.single_file_utils import CHECKPOINT_KEY_NAMES

    names = checkpoint(family)
    assert count is None or len(names) == count
    assert [CHECKPOINT_KEY_NAMES[what] for what in known if CHECKPOINT_KEY_NAMES[what] not in names] == []


@pytest.mark.parametrize("family", PARAMETERS)
def test_every_name_of_a_full_size_file_has_its_place(family: str) -> None:
    tensors = checkpoint(family)
    for part in PARAMETERS[family]:
        [prefix] = [one for one in PREFIXES[part] if any(name.startswith(one) for name in tensors)]
        own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        made = CONVERTERS[part](own, network(family, part))
        expected = network(family, part).state_dict()
        assert {n: t.shape for n, t in made.items()} == {n: t.shape for n, t in expected.items()}, part


@pytest.mark.parametrize("channels", [4, 9])
@pytest.mark.parametrize("family", PARAMETERS)
def test_a_family_is_recognised_by_its_header(family: str, channels: int, tmp_path: Path) -> None:
    file = write_header(tmp_path / "model.safetensors", shapes_of(family, channels))
    told = recognise(read_header(file))
    assert (told.configs, told.channels) == (FAMILIES / family, channels)
    assert told.prediction == (None if family == "sd2" and channels == 4 else "epsilon")
    expected = {"sd1": 512, "sd2": 768 if channels == 4 else 512, "sdxl": 1024}[family]
    assert (defaults(str(file))["width"], defaults(str(file))["height"]) == (expected, expected)
    read_layout(told.configs)
    Recipe.read(defaults(str(file)))  # which refuses what is no recipe's


@pytest.mark.parametrize(
    ("metadata", "prediction", "size"),
    [
        ({"modelspec.architecture": "stable-diffusion-v2-512"}, None, None),
        ({"modelspec.prediction_type": "epsilon"}, "epsilon", None),
        ({"modelspec.prediction_type": "v", "modelspec.resolution": "768x768"}, "v_prediction", (768, 768)),
        ({"modelspec.resolution": "640x384"}, None, (640, 384)),
        ({"modelspec.resolution": "512"}, None, (512, 512)),
        ({"modelspec.resolution": "9999x8"}, None, None),
        ({"modelspec.resolution": "513x512"}, None, None),
    ],
)
def test_metadata_tells_the_rest(
    metadata: dict[str, str], prediction: str | None, size: tuple[int, int] | None, tmp_path: Path
) -> None:
    told = recognise(read_header(write_header(tmp_path / "model.safetensors", shapes_of("sd2"), metadata)))
    assert (told.prediction, told.size) == (prediction, size)
    expected = size or ((512, 512) if prediction == "epsilon" else (768, 768))
    good = defaults(str(tmp_path / "model.safetensors"))
    assert (good["width"], good["height"]) == expected


@pytest.mark.parametrize(
    ("family", "change", "message"),
    [
        ("sd1", {f"{UNET}input_blocks.0.0.weight": (320, 8, 3, 3)}, r"of shape \(320, 8, 3, 3\); allowed"),
        ("sd2", {f"{UNET}label_emb.0.0.weight": (1280, 1024)}, "a U-Net of another family"),
        ("sdxl", {"edm_mean": (1, 4)}, "an SDXL of EDM's noise levels"),
        ("sd1", {f"{UNET}output_blocks.3.1.transformer_blocks.0.attn2.to_k.weight": (1280, 1280)}, "refiner"),
        (
            "sd1",
            {f"{UNET}output_blocks.3.1.transformer_blocks.0.attn2.to_k.weight": (1280, 700)},
            "another fam",
        ),
    ],
)
def test_relatives_are_refused(
    family: str, change: dict[str, tuple[int, ...]], message: str, tmp_path: Path
) -> None:
    file = write_header(tmp_path / "model.safetensors", shapes_of(family) | change)
    with pytest.raises(ModelError, match=message):
        recognise(read_header(file))


def test_what_a_stranger_calls_itself_is_told(tmp_path: Path) -> None:
    file = write_header(
        tmp_path / "x.safetensors", {"x": (1,)}, {"modelspec.architecture": "flux-1-dev" * 20}
    )
    with pytest.raises(ModelError, match=r"a model that calls itself 'flux-1-dev.{50}'; allowed"):
        recognise(read_header(file))


def test_the_shipped_vocabulary_is_clips() -> None:
    """Numbers as OpenAI's CLIP gives them; what a text is filled up with is each encoder's own."""
    first, other = (read_tokenizer(FAMILIES / "sdxl" / name) for name in ("tokenizer", "tokenizer_2"))
    assert len(first) == 49408
    assert first("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert first("Hello world!").input_ids == [49406, 3306, 1002, 256, 49407]
    assert first("naïve 🙂 don't").input_ids == other("naïve  🙂 DON'T").input_ids
    filled = {"padding": "max_length", "max_length": 5}
    assert first("cat", **filled).input_ids == [49406, 2368, 49407, 49407, 49407]
    assert other("cat", **filled).input_ids == [49406, 2368, 49407, 0, 0]
    assert first.model_max_length == other.model_max_length == 77


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_full_size_unet_comes_out_of_one_file_and_takes_a_step(family: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    config = read_config(FAMILIES / family, "unet")
    draws = torch.Generator().manual_seed(0)
    made = {
        name: (torch.randn(tensor.shape, generator=draws) / max(1, prod(tensor.shape[1:])) ** 0.5).bfloat16()
        for name, tensor in network(family, "unet").state_dict().items()
    }
    file = tmp_path / "unet.safetensors"
    save_file(ldm_unet(made, config), file)
    header = read_header(file)
    assert recognise(header).configs == FAMILIES / family
    unet = from_checkpoint(kind("unet"), header, "unet", config, torch.bfloat16)
    assert all(torch.equal(weight, made[name]) for name, weight in unet.state_dict().items())
    theirs = fill(empty(kind("unet"), config), made, torch.bfloat16, "the U-Net")
    x = torch.randn(1, 4, 32, 32, generator=draws).bfloat16()
    text = torch.randn(1, 77, config["cross_attention_dim"], generator=draws).bfloat16()
    ids = torch.tensor([[256.0, 256, 0, 0, 256, 256]])
    added = {"text_embeds": torch.randn(1, 1280, generator=draws).bfloat16(), "time_ids": ids}
    with torch.inference_mode():
        steps = [
            net(x, 500.0, encoder_hidden_states=text, added_cond_kwargs=added).sample
            for net in (unet, theirs)
        ]
    assert steps[0].isfinite().all() and torch.equal(*steps)
