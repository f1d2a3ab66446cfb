"""From trained parts to the folder that ships: diffusers' layout, half precision, with its defaults."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

from models.source import WEAK
from training.data.scenes import SIDE
from training.starter.card import Spent
from training.starter.codes import CHANNELS, PIXELS, Codes, codes
from training.starter.unet import SCHEDULER, UnetTask

DEFAULTS = {
    "sampler": "dpmpp-2m", "schedule": "trailing", "steps": 20, "guidance": 4.0, "guidance_high": 5.0,
    "width": SIDE, "height": SIDE,
}  # fmt: skip


PREVIEW = 8  # pixels along the edge of a latent


def export(task: UnetTask, vae: AutoencoderKL, folder: Path, training: Sequence[Spent] = ()) -> None:
    """Write VAE, text encoder, tokenizer, U-Net and scheduler; fp16 safetensors of less than 80 MB in all.

    ``training`` is what was spent on it, from its first step on: it travels with the model.
    """
    vae.register_to_config(scaling_factor=1.0)  # codes are of unit variance as they are
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=task.encoder,
        tokenizer=task.tokenizer,
        unet=task.module.unet,
        scheduler=SCHEDULER,  # pyright: ignore[reportArgumentType]
        safety_checker=None,  # type: ignore[arg-type]
        feature_extractor=None,  # type: ignore[arg-type]
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    (folder / "vae" / "preview.json").write_text(json.dumps(preview(codes(task.seed))) + "\n")
    (folder / "atelier.json").write_text(
        json.dumps({"native_size": [SIDE, SIDE], "defaults": DEFAULTS, "training": training}, indent=2) + "\n"
    )


def export_weak(unet: UNet2DConditionModel, folder: Path) -> None:
    """Put the weak companion into the starter's ``folder``, where ``models`` looks for one."""
    unet.half().save_pretrained(folder / WEAK, safe_serialization=True)


def preview(codes: Codes) -> dict[str, list[object]]:
    """What ``models.preview`` reads: codes are linear in the pixels, so their preview is exact but small."""
    rows = torch.cat([torch.zeros(1, CHANNELS), torch.eye(CHANNELS)])  # no code, then each alone
    seen = F.avg_pool2d(codes.decode(rows[:, :, None, None]), PIXELS // PREVIEW)  # (1 + C, 3, n, n)
    bias, *each = seen.flatten(1)
    return {
        "weight": [[round(value, 5) for value in row] for row in (torch.stack(each) - bias).T.tolist()],
        "bias": [round(value, 5) for value in bias.tolist()],
    }
