"""img2img and inpainting are diffusers' own, on tiny random models, where the two mean the same.

Float32, the same first noise, DDIM. Their VAE gives a sample of its posterior; here the mode, as ours.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gallery import sha256_of
from models import Parts, load
from pipelines import Materials, Recipe, answer, story
from pipelines.edit import Edit
from pipelines.requests import Decode
from tests.tiny import write_tiny

TOLERANCE = 1e-4
USUAL = {"rescale_betas_zero_snr": False, "timestep_spacing": "leading", "prediction_type": "epsilon"}
SIZE = (96, 64)


def a_picture(seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    return Image.fromarray(values).resize(SIZE, Image.Resampling.BICUBIC)


def a_mask() -> Image.Image:
    """Whole latents: where theirs and ours are the same whatever the rounding."""
    values = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    values[16:48, 24:80] = 255
    return Image.fromarray(values)


def our_latents(recipe: Recipe, parts: Parts, *pictures: Image.Image) -> Tensor:
    pipeline, reply = (
        story(recipe, parts, Materials(pictures={sha256_of(one): one for one in pictures})),
        None,
    )
    while not isinstance(request := pipeline.send(reply), Decode):
        reply = answer(request, parts)
    return request.latents


def their_latents(recipe: Recipe, folder: Path, picture: Image.Image, mask: Image.Image | None) -> Tensor:
    from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline

    kind = StableDiffusionImg2ImgPipeline if mask is None else StableDiffusionInpaintPipeline
    pipeline: Any = kind.from_pretrained(folder, dtype=torch.float32)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    encode = pipeline.vae.encode
    pipeline.vae.encode = lambda pixels: SimpleNamespace(latents=encode(pixels).latent_dist.mode())
    assert recipe.edit is not None
    with torch.inference_mode():
        return pipeline(
            recipe.prompt, image=picture, negative_prompt=recipe.negative, strength=recipe.edit.strength,
            num_inference_steps=recipe.steps, guidance_scale=recipe.guidance, output_type="latent",
            generator=torch.Generator("cpu").manual_seed(recipe.seed),
            **({} if mask is None else {"mask_image": mask, "width": SIZE[0], "height": SIZE[1]}),
        ).images  # fmt: skip


@pytest.mark.parametrize(("settings", "channels", "masked", "strength"), [
    (USUAL, 4, False, 0.6),
    ({}, 4, False, 1.0),
    (USUAL, 4, True, 0.6),
    ({}, 4, True, 0.75),
    ({}, 4, True, 1.0),
    (USUAL, 9, True, 0.6),
    ({}, 9, True, 1.0),
])  # fmt: skip
def test_latents_are_those_of_diffusers(
    settings: dict[str, Any], channels: int, masked: bool, strength: float, tmp_path: Path
) -> None:
    folder = write_tiny(tmp_path / "tiny", in_channels=channels, **settings)
    parts = load(str(folder), device="cpu", dtype=torch.float32)
    picture, mask = a_picture(), a_mask() if masked else None
    edit = Edit(picture=sha256_of(picture), mask=mask and sha256_of(mask), strength=strength, feather=0)
    recipe = Recipe(
        prompt="a cat", negative="dog", sampler="ddim", steps=8, guidance=5, seed=7,
        width=SIZE[0], height=SIZE[1], edit=edit,
    )  # fmt: skip
    theirs = their_latents(recipe, folder, picture, mask)
    given = (picture,) if mask is None else (picture, mask)
    ours = our_latents(recipe, parts, *given)
    difference = ((ours - theirs).norm() / theirs.norm()).item()
    print(f"{channels} channels, strength {strength}, {'masked' if masked else 'whole'}: {difference:.1e}")
    assert difference < TOLERANCE
    other = recipe.model_copy(update={"edit": edit.model_copy(update={"strength": 0.4})})
    assert (our_latents(other, parts, *given) - theirs).norm() / theirs.norm() > 10 * TOLERANCE
