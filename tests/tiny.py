"""Tiny Stable Diffusions with random weights, in diffusers' folder layout: for tests, not for looking."""

import json
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file

from models.torchvision_guard import guard_torchvision

Family = Literal["sd", "sd2", "sdxl"]


def write_tiny(folder: Path, family: Family = "sd", in_channels: int = 4, **scheduler: object) -> Path:
    """Save a random 64-pixel model (4 latent channels, 8 pixels a latent, 77 tokens); returns ``folder``.

    It is built like the models of its family: "sd" has CLIP and convolutions around attention, "sd2" a text
    encoder of 23 layers and linear maps, "sdxl" two encoders, pooled text and sizes. ``scheduler`` overrides
    settings of its DDIM scheduler config, for instance ``prediction_type="epsilon"``.
    """
    guard_torchvision()
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from diffusers import StableDiffusionPipeline as Plain
    from diffusers import StableDiffusionXLPipeline as XL
    from transformers import CLIPTokenizer

    torch.manual_seed(0)
    source = _write_tokenizer(folder / "source")
    first = CLIPTokenizer.from_pretrained(source, pad_token="!" if family == "sd2" else "<|endoftext|>")
    settings = {
        "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
        "prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing",
        "clip_sample": False, "set_alpha_to_one": True, "steps_offset": 1,
    }  # fmt: skip
    parts: dict[str, Any] = {
        "vae": AutoencoderKL(
            block_out_channels=(8, 8, 16, 16), norm_num_groups=4, layers_per_block=1, sample_size=64,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4, scaling_factor=0.5,
        ),
        "tokenizer": first,
        "text_encoder": _text_encoder(first, 32, layers=23 if family == "sd2" else 2),
        "unet": UNet2DConditionModel(
            sample_size=8, in_channels=in_channels, out_channels=4, block_out_channels=(16, 32),
            norm_num_groups=8, layers_per_block=1, **UNETS[family],
        ),
        "scheduler": DDIMScheduler(**(settings | scheduler)),
    }  # fmt: skip
    if family == "sdxl":
        second = CLIPTokenizer.from_pretrained(source, pad_token="!")
        encoder = _text_encoder(second, 48, layers=3, projection=40)
        pipeline = XL(**parts, tokenizer_2=second, text_encoder_2=encoder)
    else:
        none: dict[str, Any] = {"safety_checker": None, "feature_extractor": None}
        pipeline = Plain(**parts, **none, requires_safety_checker=False)
    pipeline.save_pretrained(folder, safe_serialization=True)
    (folder / "atelier.json").write_text(json.dumps({"sigmas": [5.0, 1.0, 0.2]}), "utf-8")
    return folder


def write_controlnet(folder: Path, model: Path, seed: int = 0, **config: Any) -> Path:
    """Save a random ControlNet for the model in the folder ``model``, as if trained; returns ``folder``."""
    guard_torchvision()
    from diffusers import ControlNetModel, UNet2DConditionModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(model / "unet")
    halvings = len(json.loads((model / "vae" / "config.json").read_text())["block_out_channels"]) - 1
    widths = {4: (16, 32, 64, 96, 128)}.get(halvings, (16, 32, 96, 256))  # of Stable Diffusion's three
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=widths)
    net.register_to_config(**config)
    for name, weight in net.named_parameters():  # an untrained one gives nothing: its last maps are zeros
        if name.startswith(("controlnet_down", "controlnet_mid", "controlnet_cond_embedding.conv_out")):
            torch.nn.init.normal_(weight, std=0.2)
    net.save_pretrained(folder, safe_serialization=True)
    return folder


SEEN = {False: 24, True: 32}  # numbers of the tiny image encoder's projection; of its hidden states


def write_image_encoder(folder: Path, seed: int = 0) -> Path:
    """Save a random CLIP of pictures of 32 pixels in transformers' layout; returns ``folder``."""
    guard_torchvision()
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(seed)
    config = CLIPVisionConfig(
        hidden_size=SEEN[True], intermediate_size=48, projection_dim=SEEN[False], num_hidden_layers=3,
        num_attention_heads=16, image_size=32, patch_size=8, hidden_act="gelu",
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


def write_ip_adapter(file: Path, model: Path, fine: bool = False, seed: int = 0) -> Path:
    """Save a random IP-Adapter in the published layout for the model in the folder ``model``.

    Returns ``file``. ``fine`` is "plus". Written out from the reference code
    (github.com/tencent-ailab/IP-Adapter).
    """
    [weights] = (model / "unet").glob("*.safetensors")
    shapes = {name: tuple(t.shape) for name, t in load_file(weights).items() if "attn2.to_k." in name}
    order = [n for side in ("down_", "up_", "mid_") for n in shapes if n.startswith(side)]  # attn1 is between
    text = shapes[order[0]][1]
    made = {
        f"ip_adapter.{2 * k + 1}.to_{side}_ip.weight": shapes[name]
        for k, name in enumerate(order)
        for side in "kv"
    } | {f"image_proj.{name}": shape for name, shape in (_resampler(text) if fine else _linear(text)).items()}
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in made.items():
        size = 1.0 if len(shape) == 1 else shape[-1] ** -0.5
        tensors[name] = torch.randn(shape, generator=generator) * size + (len(shape) == 1 and "norm" in name)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)
    return file


def _linear(text: int) -> dict[str, tuple[int, ...]]:
    """Of the base: one map to four tokens."""
    return {
        "proj.weight": (4 * text, SEEN[False]), "proj.bias": (4 * text,),
        "norm.weight": (text,), "norm.bias": (text,),
    }  # fmt: skip


def _resampler(text: int, hidden: int = 40, tokens: int = 6, depth: int = 4) -> dict[str, tuple[int, ...]]:
    """Of plus: a Perceiver of one head of 64 numbers."""
    made: dict[str, tuple[int, ...]] = {
        "latents": (1, tokens, hidden), "proj_in.weight": (hidden, SEEN[True]), "proj_in.bias": (hidden,),
        "proj_out.weight": (text, hidden), "proj_out.bias": (text,), "norm_out.weight": (text,),
        "norm_out.bias": (text,),
    }  # fmt: skip
    for k in range(depth):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            made |= {f"layers.{k}.{norm}.weight": (hidden,), f"layers.{k}.{norm}.bias": (hidden,)}
        made |= {
            f"layers.{k}.0.to_q.weight": (64, hidden), f"layers.{k}.0.to_kv.weight": (128, hidden),
            f"layers.{k}.0.to_out.weight": (hidden, 64), f"layers.{k}.1.1.weight": (4 * hidden, hidden),
            f"layers.{k}.1.3.weight": (hidden, 4 * hidden),
        }  # fmt: skip
    return made


UNETS: dict[Family, dict[str, Any]] = {
    "sd": {
        "cross_attention_dim": 32, "attention_head_dim": 8,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    },
    "sd2": {
        "cross_attention_dim": 32, "attention_head_dim": (2, 4), "use_linear_projection": True,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    },
    "sdxl": {
        "cross_attention_dim": 80, "attention_head_dim": (2, 4), "use_linear_projection": True,
        "transformer_layers_per_block": (1, 2), "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 40 + 6 * 8,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    },
}  # fmt: skip


def _text_encoder(tokenizer: Any, width: int, layers: int, projection: int = 0) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=64, num_hidden_layers=layers,
        num_attention_heads=4, max_position_embeddings=77, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        projection_dim=projection or width, hidden_act="gelu" if projection or layers == 23 else "quick_gelu",
    )  # fmt: skip
    return CLIPTextModelWithProjection(config) if projection else CLIPTextModel(config)


def _write_tokenizer(folder: Path) -> Path:
    """CLIP's byte-level alphabet, each byte once inside a word and once at its end, and one merge."""
    folder.mkdir(parents=True)
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    alphabet = [chr(b) for b in visible] + [chr(256 + i) for i in range(256 - len(visible))]
    tokens = [*alphabet, *(c + "</w>" for c in alphabet), "ca", "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\nc a\n", "utf-8")
    limits = {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(limits), "utf-8")
    return folder
