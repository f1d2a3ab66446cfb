"""What a file is for is told from its header: kinds, families, trigger words, and nothing read beyond it."""

import json
from pathlib import Path

import pytest

from models import ModelError
from models.header import read_header
from models.kind import Described, describe, describe_folder
from tests.ldm import UNET, write_header
from tests.tiny import write_image_encoder, write_tiny

Shapes = dict[str, tuple[int, ...]]


BASE: Shapes = {  # as published: ip-adapter_sd15, ip-adapter-plus_sdxl_vit-h
    "image_proj.proj.weight": (3072, 1024), "image_proj.norm.weight": (768,),
    "ip_adapter.1.to_k_ip.weight": (320, 768), "ip_adapter.1.to_v_ip.weight": (320, 768),
}  # fmt: skip
PLUS: Shapes = {
    "image_proj.latents": (1, 16, 1280), "image_proj.proj_in.weight": (1280, 1280),
    "image_proj.proj_out.weight": (2048, 1280), "image_proj.layers.0.0.to_q.weight": (1280, 1280),
    "ip_adapter.1.to_k_ip.weight": (640, 2048),
}  # fmt: skip


def told(file: Path, shapes: Shapes, metadata: dict[str, str] | None = None) -> Described:
    return describe(read_header(write_header(file, shapes, metadata)))


def unet(width: int, channels: int = 4) -> Shapes:
    shapes: Shapes = {
        f"{UNET}input_blocks.0.0.weight": (320, channels, 3, 3),
        f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, width),
    }
    return shapes | ({f"{UNET}label_emb.0.0.weight": (1280, 2816)} if width == 2048 else {})


KOHYA = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"
DIFFUSERS = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight"
OLD = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight"
LOHA = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.hada_w1_b"
LOKR = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lokr_w1"


@pytest.mark.parametrize(("shapes", "kind", "family"), [
    (unet(768), "checkpoint", "SD 1.x"),
    (unet(1024), "checkpoint", "SD 2.x"),
    (unet(2048, 9), "checkpoint", "SDXL"),
    ({KOHYA: (4, 768)}, "lora", "SD 1.x"),
    ({DIFFUSERS: (16, 2048)}, "lora", "SDXL"),
    ({OLD: (4, 1024)}, "lora", "SD 2.x"),
    ({LOHA: (4, 768), LOHA[:-1] + "a": (320, 4)}, "lora", "SD 1.x"),
    ({LOKR: (8, 8)}, "lora", ""),
    ({"lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": (4, 768)}, "lora",
     "SD 1.x"),
    ({"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (4, 1280)}, "lora", "SDXL"),
    ({"emb_params": (4, 768)}, "embedding", "SD 1.x"),
    ({"clip_l": (2, 768), "clip_g": (2, 1280)}, "embedding", "SDXL"),
    ({"<cat-toy>": (1024,)}, "embedding", "SD 2.x"),
    ({"control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768)}, "controlnet",
     "SD 1.x"),
    ({"lora_controlnet": (0,), "input_blocks.4.1.transformer_blocks.0.attn2.to_k.up": (640, 64),
      "input_blocks.4.1.transformer_blocks.0.attn2.to_k.down": (64, 2048)}, "controlnet", "SDXL"),
    ({"controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3),
      "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (640, 2048)}, "controlnet",
     "SDXL"),
    (BASE, "ip-adapter", "SD 1.x"),
    (PLUS, "ip-adapter", "SDXL"),
    ({"visual_projection.weight": (1024, 1280),
      "vision_model.embeddings.patch_embedding.weight": (1280, 3, 14, 14)}, "image-encoder", ""),
    ({"encoder.conv_in.weight": (128, 3, 3, 3), "decoder.conv_in.weight": (512, 4, 3, 3)}, "vae", ""),
    ({"first_stage_model.encoder.conv_in.weight": (1, 3, 3, 3),
      "first_stage_model.decoder.conv_in.weight": (1, 4, 3, 3)}, "vae", ""),
])  # fmt: skip
def test_kind_and_family_are_told_by_names_and_shapes(
    tmp_path: Path, shapes: Shapes, kind: str, family: str
) -> None:
    got = told(tmp_path / "a.safetensors", shapes)
    assert (got.kind, got.family) == (kind, family)


def test_metadata_tells_where_shapes_do_not(tmp_path: Path) -> None:
    for said, family in {"stable-diffusion-xl-v1-base/lora": "SDXL", "sd_v1": "SD 1.x"}.items():
        for name in ("modelspec.architecture", "ss_base_model_version"):
            assert told(tmp_path / "a.safetensors", {LOKR: (8, 8)}, {name: said}).family == family
    never = {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}  # overrules a shape
    assert told(tmp_path / "a.safetensors", {KOHYA: (4, 768)}, never).family == "SD 1.x"


def test_an_sd2_that_does_not_say_what_it_predicts_is_known_by_that(tmp_path: Path) -> None:
    assert not told(tmp_path / "a.safetensors", unet(1024)).tells_prediction
    assert told(tmp_path / "a.safetensors", unet(1024), {"modelspec.prediction_type": "v"}).tells_prediction
    assert told(tmp_path / "a.safetensors", unet(768)).tells_prediction
    assert told(tmp_path / "a.safetensors", unet(768, 9)).inpainting


def test_trigger_words_are_the_authors_or_else_the_commonest_tags(tmp_path: Path) -> None:
    file, lora = tmp_path / "a.safetensors", {KOHYA: (4, 768)}
    said = {"modelspec.trigger_phrase": "inkwash, by hand", "modelspec.title": "Ink " * 50}
    assert told(file, lora, said).triggers == ("inkwash", "by hand")
    assert len(told(file, lora, said).title) <= 80
    tags = {"10_a": {"inkwash": 20, "tree": 4, "": 90}, "5_b": {"inkwash": 10, "paper": 16}}
    assert told(file, lora, {"ss_tag_frequency": json.dumps(tags)}).triggers == ("inkwash", "paper")


@pytest.mark.parametrize(
    "said", ["", "no json", "[]", "3", '{"a": 3}', '{"a": {"b": "c"}}', '{"a": {"b": null}}', "[" * 100_000]
)
def test_strange_training_metadata_is_no_trigger_word(tmp_path: Path, said: str) -> None:
    assert told(tmp_path / "a.safetensors", {KOHYA: (4, 768)}, {"ss_tag_frequency": said}).triggers == ()


@pytest.mark.parametrize(("shapes", "said"), [
    ({}, "no U-Net under LDM's names"),
    ({"double_blocks.0.weight": (3,)}, "a Flux model"),
    ({"text_model.encoder.layers.0.weight": (3,)}, "no U-Net"),
    (unet(1280), "the SDXL refiner"),
    (unet(768, 5), "first convolution"),
    (BASE | {"image_proj.proj.2.weight": (3,)}, "an IP-Adapter of faces"),
    (BASE | {"image_proj.norm.weight": (0,)}, "neither as base nor as plus"),
])  # fmt: skip
def test_what_the_studio_has_no_use_for_is_one_sentence(tmp_path: Path, shapes: Shapes, said: str) -> None:
    with pytest.raises(ModelError, match=said) as refused:
        told(tmp_path / "a.safetensors", shapes)
    assert "\n" not in str(refused.value)


def test_folders_are_told_by_their_configs(tmp_path: Path) -> None:
    folder = write_tiny(tmp_path / "xl", "sdxl", in_channels=9)
    got = describe_folder(folder)
    assert (got.kind, got.family, got.inpainting) == ("checkpoint", "SDXL", True)
    assert describe_folder(folder / "vae").kind == "vae"
    assert describe_folder(write_image_encoder(tmp_path / "clip")).kind == "image-encoder"
    with pytest.raises(ModelError, match="UNet2DConditionModel; allowed: a VAE, a ControlNet or"):
        describe_folder(folder / "unet")
