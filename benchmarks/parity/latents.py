"""What our pipeline and diffusers' give for one recipe on one tiny model of random weights, in float32.

The same first noise, steps and prompts; final latents are compared in relative norm.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from models import Parts, load
from models.torchvision_guard import guard_torchvision
from pipelines import Materials, Recipe, answer, text_to_image
from pipelines.requests import Decode
from schedulers import first_noise
from tests.tiny import Family, write_tiny

TOLERANCE = 1e-4
USUAL: dict[str, Any] = {"rescale_betas_zero_snr": False, "timestep_spacing": "leading"}
EPSILON = USUAL | {"prediction_type": "epsilon"}
VELOCITY = USUAL | {"prediction_type": "v_prediction"}
ZERO_SNR: dict[str, Any] = {}  # what tests.tiny writes: v, down to pure noise
RECIPE = Recipe.read({
    "prompt": "a cat", "negative": "dog", "sampler": "ddim", "steps": 6, "guidance": 4, "seed": 7, "count": 2,
    "width": 96, "height": 64,
})  # fmt: skip


class Pair(NamedTuple):
    """Latents (B, C, h, w): ours, diffusers', and ours without what the case is about."""

    ours: Tensor
    theirs: Tensor
    without: Tensor

    @property
    def difference(self) -> float:
        """Of ours from theirs, in theirs."""
        return difference(self.ours, self.theirs)

    @property
    def effect(self) -> float:
        """Of what the case is about: were it nothing, agreeing would say nothing."""
        return difference(self.without, self.theirs)


class Models:
    """Tiny models below ``root``, each written and loaded once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders: dict[tuple[Family, str], Path] = {}
        self.parts = cache(self._parts)

    def folder(self, family: Family, settings: dict[str, Any] = EPSILON) -> Path:
        key = (family, repr(settings))
        if key not in self._folders:
            self._folders[key] = write_tiny(self.root / f"{family}-{len(self._folders)}", family, **settings)
        return self._folders[key]

    def _parts(self, folder: Path) -> Parts:
        return load(str(folder), device="cpu", dtype=torch.float32)


class Case(NamedTuple):
    """A row of the table: what is compared, and how."""

    what: str
    run: Callable[[Models], Pair]


def difference(a: Tensor, b: Tensor) -> float:
    """Of ``a`` from ``b`` in ``b``'s norm."""
    return ((a - b).norm() / b.norm()).item()


def our_latents(recipe: Recipe, parts: Parts, materials: Materials | None = None) -> Tensor:
    """The latents that are decoded in the end."""
    pipeline, reply = text_to_image(recipe, parts, materials or Materials()), None
    while not isinstance(request := pipeline.send(reply), Decode):
        reply = answer(request, parts)
    return request.latents


def their_pipeline(folder: Path, kind: str, **parts: Any) -> Any:
    """Diffusers' pipeline of class ``kind`` on the model of ``folder``."""
    guard_torchvision()
    import diffusers

    pipeline = getattr(diffusers, kind).from_pretrained(folder, dtype=torch.float32, **parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


FAMILIES: dict[str, Family] = {"SD 1.5": "sd", "SDXL": "sdxl"}  # those that adapters are made for


def plain_pipeline(folder: Path, family: Family, **parts: Any) -> Any:
    """Diffusers' pipeline of text to pictures of ``family``."""
    return their_pipeline(
        folder, "StableDiffusionXLPipeline" if family == "sdxl" else "StableDiffusionPipeline", **parts
    )


def their_latents(pipeline: Any, recipe: Recipe, **settings: Any) -> Tensor:
    """What diffusers' ``pipeline`` gives for ``recipe``; ``settings`` are what it is told beside."""
    import diffusers

    kind = getattr(diffusers, {"ddim": "DDIMScheduler", "euler": "EulerDiscreteScheduler"}[recipe.sampler])
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config)
    shape = (4, recipe.height // 8, recipe.width // 8)
    given = {"prompt": recipe.prompt, "negative_prompt": recipe.negative} | settings
    return pipeline(
        num_inference_steps=recipe.steps, guidance_scale=recipe.guidance, width=recipe.width,
        height=recipe.height, num_images_per_prompt=recipe.count, output_type="latent",
        latents=first_noise([each.seed for each in recipe.each()], shape), **given,
    ).images  # fmt: skip
