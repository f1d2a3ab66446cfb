"""A tiny Stable Diffusion with random weights, in diffusers' folder layout: for tests, not for looking."""

import json
from pathlib import Path

import torch

from models.torchvision_guard import guard_torchvision


def write_tiny(folder: Path, **scheduler: object) -> Path:
    """Save a random 64-pixel model (4 latent channels, 8 pixels a latent, 77 tokens); returns ``folder``.

    ``scheduler`` overrides settings of its DDIM scheduler config, for instance ``prediction_type="epsilon"``.
    """
    guard_torchvision()
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(_write_tokenizer(folder / "source"))
    settings = {
        "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
        "prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing",
        "clip_sample": False, "set_alpha_to_one": True, "steps_offset": 1,
    }  # fmt: skip
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 16, 16), norm_num_groups=4, layers_per_block=1, sample_size=64,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4, scaling_factor=0.5,
        ),
        text_encoder=CLIPTextModel(CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=77, bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            sample_size=8, in_channels=4, out_channels=4, block_out_channels=(16, 32), norm_num_groups=8,
            layers_per_block=1, cross_attention_dim=32, attention_head_dim=8,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        ),
        scheduler=DDIMScheduler(**(settings | scheduler)),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder, safe_serialization=True)
    (folder / "atelier.json").write_text(json.dumps({"sigmas": [5.0, 1.0, 0.2]}), "utf-8")
    return folder


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
