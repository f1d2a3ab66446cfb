"""Drawing over a picture, all of it and inside a mask, against diffusers' img2img and inpainting pipelines.

DDIM, where the two mean the same: masks cover whole latents, and diffusers' VAE gives the mode of its
posterior, as ours does, instead of a sample.
"""

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.parity.latents import EPSILON, ZERO_SNR, Case, Models, Pair, their_pipeline
from gallery import sha256_of
from models import Parts, load
from pipelines import Materials, Recipe, answer, story
from pipelines.requests import Decode
from tests.tiny import Family, write_tiny

SIZE = (96, 64)
KINDS: dict[str, tuple[dict[str, Any], int, bool, float]] = {  # scheduler, channels, masked, strength
    "img2img, SDXL, strength 0.6": (EPSILON, 4, False, 0.6),
    "Inpainting, 4 channels, SDXL, strength 0.6": (EPSILON, 4, True, 0.6),
    "Inpainting, 9 channels, SDXL, strength 0.6": (EPSILON, 9, True, 0.6),
    "img2img, SD 1.5, strength 0.6": (EPSILON, 4, False, 0.6),
    "img2img, v at zero SNR, strength 1": (ZERO_SNR, 4, False, 1.0),
    "Inpainting, 4 channels, SD 1.5, strength 0.6": (EPSILON, 4, True, 0.6),
    "Inpainting, 4 channels, v at zero SNR, strength 0.75": (ZERO_SNR, 4, True, 0.75),
    "Inpainting, 4 channels, v at zero SNR, strength 1": (ZERO_SNR, 4, True, 1.0),
    "Inpainting, 9 channels, SD 1.5, strength 0.6": (EPSILON, 9, True, 0.6),
    "Inpainting, 9 channels, v at zero SNR, strength 1": (ZERO_SNR, 9, True, 1.0),
}


def a_picture() -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    return Image.fromarray(values).resize(SIZE, Image.Resampling.BICUBIC)


def a_mask() -> Image.Image:
    """Whole latents: where theirs and ours are the same whatever the rounding."""
    values = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    values[16:48, 24:80] = 255
    return Image.fromarray(values)


def our_latents(recipe: Recipe, parts: Parts, pictures: dict[str, Image.Image]) -> Tensor:
    pipeline, reply = story(recipe, parts, Materials(pictures=pictures)), None
    while not isinstance(request := pipeline.send(reply), Decode):
        reply = answer(request, parts)
    return request.latents


def their_latents(recipe: Recipe, pipeline: Any, picture: Image.Image, mask: Image.Image | None) -> Tensor:
    """What diffusers' ``pipeline``, of img2img or of inpainting, gives."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    assert recipe.edit is not None
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    encode = pipeline.vae.encode
    pipeline.vae.encode = lambda pixels: SimpleNamespace(latents=encode(pixels).latent_dist.mode())
    masked: dict[str, Any] = {} if mask is None else {"mask_image": mask, "width": SIZE[0], "height": SIZE[1]}
    with torch.inference_mode():
        return pipeline(
            recipe.prompt, image=picture, negative_prompt=recipe.negative, strength=recipe.edit.strength,
            num_inference_steps=recipe.steps, guidance_scale=recipe.guidance, output_type="latent",
            generator=torch.Generator("cpu").manual_seed(recipe.seed), **masked,
        ).images  # fmt: skip


def _run(models: Models, kind: str) -> Pair:
    """``without``: at another strength."""
    settings, channels, masked, strength = KINDS[kind]
    family: Family = "sdxl" if "SDXL" in kind else "sd"
    folder = write_tiny(models.root / f"edits-{list(KINDS).index(kind)}", family, channels, **settings)
    parts = load(str(folder), device="cpu", dtype=torch.float32)
    picture, mask = a_picture(), a_mask() if masked else None
    pictures = {sha256_of(one): one for one in (picture, mask) if one is not None}
    edit = {"picture": sha256_of(picture), "mask": mask and sha256_of(mask), "feather": 0}
    recipe, other = (
        Recipe.read({
            "prompt": "a cat", "negative": "dog", "sampler": "ddim", "steps": 8, "guidance": 5, "seed": 7,
            "width": SIZE[0], "height": SIZE[1], "edit": edit | {"strength": each},
        })
        for each in (strength, 0.4)
    )  # fmt: skip
    name = f"StableDiffusion{'XL' if family == 'sdxl' else ''}{'Inpaint' if masked else 'Img2Img'}Pipeline"
    pipeline = their_pipeline(folder, name)
    theirs = their_latents(recipe, pipeline, picture, mask)
    return Pair(our_latents(recipe, parts, pictures), theirs, our_latents(other, parts, pictures))


CASES = [Case(kind, partial(_run, kind=kind)) for kind in KINDS]
