"""Each family draws what diffusers' own pipeline of it draws, from a folder and from one checkpoint file.

Random weights, float32, the same first noise: final latents within 1e-4 of diffusers' in relative norm.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models import Context, Parts, load
from pipelines import Recipe, answer, draw, text_to_image
from pipelines.requests import Decode
from schedulers import first_noise
from tests.ldm import write_ldm
from tests.tiny import Family, write_tiny

TOLERANCE = 1e-4
USUAL = {"rescale_betas_zero_snr": False, "timestep_spacing": "leading"}
EPSILON, VELOCITY = USUAL | {"prediction_type": "epsilon"}, USUAL | {"prediction_type": "v_prediction"}
ZERO_SNR: dict[str, Any] = {}  # what tests.tiny writes: v, down to pure noise
KINDS: dict[str, tuple[Family, dict[str, Any], str]] = {
    "sd-1 ddim": ("sd", EPSILON, "ddim"),
    "sd-1 euler": ("sd", EPSILON, "euler"),
    "sd-2 noise, euler": ("sd2", EPSILON, "euler"),
    "sd-2 velocity, ddim": ("sd2", VELOCITY, "ddim"),
    "sd-2 velocity, euler": ("sd2", VELOCITY, "euler"),
    "sdxl ddim": ("sdxl", EPSILON, "ddim"),
    "sdxl euler": ("sdxl", EPSILON, "euler"),
    "sdxl velocity at zero SNR": ("sdxl", ZERO_SNR, "ddim"),
}


def our_latents(recipe: Recipe, parts: Parts) -> Tensor:
    pipeline, reply = text_to_image(recipe, parts), None
    while not isinstance(request := pipeline.send(reply), Decode):
        reply = answer(request, parts)
    return request.latents


def their_latents(recipe: Recipe, folder: Path, family: Family) -> Tensor:
    from diffusers import DDIMScheduler, EulerDiscreteScheduler
    from diffusers import StableDiffusionPipeline as Plain
    from diffusers import StableDiffusionXLPipeline as XL

    pipeline: Any = (XL if family == "sdxl" else Plain).from_pretrained(folder, dtype=torch.float32)
    kind = {"ddim": DDIMScheduler, "euler": EulerDiscreteScheduler}[recipe.sampler]
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    shape = (4, recipe.height // 8, recipe.width // 8)
    return pipeline(
        recipe.prompt, negative_prompt=recipe.negative, num_inference_steps=recipe.steps,
        guidance_scale=recipe.guidance, width=recipe.width, height=recipe.height, output_type="latent",
        num_images_per_prompt=recipe.count, latents=first_noise([e.seed for e in recipe.each()], shape),
    ).images  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_latents_are_those_of_diffusers(kind: str, tmp_path: Path) -> None:
    family, settings, sampler = KINDS[kind]
    folder = write_tiny(tmp_path / "tiny", family, **settings)
    recipe = Recipe(
        prompt="a cat",
        negative="dog",
        sampler=sampler,
        steps=8,
        guidance=5,
        seed=7,
        count=2,
        width=96,
        height=64,
    )
    theirs = their_latents(recipe, folder, family)
    file = write_ldm(folder, tmp_path / "tiny.safetensors")
    for parts in (
        load(str(folder), device="cpu", dtype=torch.float32),
        load(str(file), config=str(folder), device="cpu", dtype=torch.float32),
    ):
        ours = our_latents(recipe, parts)
        difference = ((ours - theirs).norm() / theirs.norm()).item()
        print(f"{kind}: {difference:.1e}")
        assert difference < TOLERANCE
    other = recipe.model_copy(update={"prompt": "dog"})
    assert (our_latents(other, parts) - theirs).norm() / theirs.norm() > 10 * TOLERANCE  # the text counts


def test_sdxl_is_told_the_size_and_the_whole_text(tmp_path: Path) -> None:
    parts = load(str(write_tiny(tmp_path / "tiny", "sdxl")), device="cpu", dtype=torch.float32)
    context, level = parts.encode_text(["a cat"]), parts.levels[500]
    assert context.pooled is not None
    assert (context.hidden.shape, context.pooled.shape) == ((1, 77, 80), (1, 40))
    x = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    sizes = []
    parts.unet.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(kwargs["added_cond_kwargs"]["time_ids"]), with_kwargs=True
    )
    plain = parts.denoise(x, [level], context)
    assert sizes[0].tolist() == [[64, 96, 0, 0, 64, 96]]
    other = parts.denoise(x, [level], Context(context.hidden, parts.encode_text(["dog"]).pooled))
    assert (other - plain).norm() / plain.norm() > 10 * TOLERANCE


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_a_model_that_paints_inside_a_mask_draws_from_text_too(family: Family, tmp_path: Path) -> None:
    folder = write_tiny(tmp_path / "tiny", family, in_channels=9)
    file = write_ldm(folder, tmp_path / "masked.safetensors")
    for parts in (load(str(folder), device="cpu"), load(str(file), config=str(folder), device="cpu")):
        assert (parts.unet.config.in_channels, parts.latent_channels) == (9, 4) and parts.inpainting
        recipe = Recipe(prompt="a cat", steps=2, width=64, height=64)
        drawn, other = (draw(one, parts)[0] for one in (recipe, recipe.model_copy(update={"prompt": "dog"})))
        assert drawn.size == (64, 64) and drawn.tobytes() != other.tobytes()
