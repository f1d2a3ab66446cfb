"""Each family, and each language of prompts, draws what diffusers' own pipeline of it draws.

The cases are those of benchmarks.parity, whose table is docs/parity.md: random weights, float32, the same
first noise; final latents within 1e-4 of diffusers' in relative norm.
"""

from pathlib import Path

import pytest
import torch

from benchmarks.parity import families, prompts
from benchmarks.parity.latents import TOLERANCE, Case, Models
from models import Context, load
from pipelines import Recipe, draw
from tests.ldm import write_ldm
from tests.tiny import Family, write_tiny


@pytest.mark.parametrize("case", [*families.CASES, *prompts.CASES], ids=lambda case: case.what)
def test_latents_are_those_of_diffusers(tiny_models: Models, case: Case) -> None:
    """And what the case is about counts."""
    pair = case.run(tiny_models)
    print(f"{case.what}: {pair.difference:.1e}")
    assert pair.difference < TOLERANCE
    assert pair.effect > 10 * TOLERANCE


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
