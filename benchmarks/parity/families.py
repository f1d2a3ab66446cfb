"""Each family, as a folder and as one checkpoint file, against diffusers' pipeline of it."""

from functools import partial
from typing import Any

import torch

from benchmarks.parity.latents import (
    EPSILON,
    RECIPE,
    VELOCITY,
    ZERO_SNR,
    Case,
    Models,
    Pair,
    our_latents,
    plain_pipeline,
    their_latents,
)
from models import load
from tests.ldm import write_ldm
from tests.tiny import Family

LONGER = RECIPE.model_copy(update={"steps": 8, "guidance": 5.0})
KINDS: dict[str, tuple[Family, dict[str, Any], str]] = {
    "SD 1.5, ddim": ("sd", EPSILON, "ddim"),
    "SD 1.5, euler": ("sd", EPSILON, "euler"),
    "SD 2.1, noise, euler": ("sd2", EPSILON, "euler"),
    "SD 2.1-v, ddim": ("sd2", VELOCITY, "ddim"),
    "SD 2.1-v, euler": ("sd2", VELOCITY, "euler"),
    "SDXL, ddim": ("sdxl", EPSILON, "ddim"),
    "SDXL, euler": ("sdxl", EPSILON, "euler"),
    "SDXL, velocity at zero SNR": ("sdxl", ZERO_SNR, "ddim"),
}


def _run(models: Models, kind: str, single: bool) -> Pair:
    """``without``: under another prompt."""
    family, settings, sampler = KINDS[kind]
    folder = models.folder(family, settings)
    recipe = LONGER.model_copy(update={"sampler": sampler})
    parts = models.parts(folder)
    if single:
        file = write_ldm(folder, models.root / "single.safetensors")
        parts = load(str(file), config=str(folder), device="cpu", dtype=torch.float32)
    other = our_latents(recipe.model_copy(update={"prompt": "dog"}), parts)
    theirs = their_latents(plain_pipeline(folder, family), recipe)
    return Pair(our_latents(recipe, parts), theirs, other)


CASES = [
    Case(f"{kind}, {'one file' if single else 'folder'}", partial(_run, kind=kind, single=single))
    for kind in KINDS
    for single in (False, True)
]
