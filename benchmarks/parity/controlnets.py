"""ControlNets, one and two, against diffusers' pipelines of them."""

from functools import partial
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from adapters import ControlNetFolder
from benchmarks.parity.latents import (
    FAMILIES,
    RECIPE,
    Case,
    Models,
    Pair,
    our_latents,
    their_latents,
    their_pipeline,
)
from gallery import sha256_of
from pipelines import Control, Folders, Recipe
from tests.tiny import Family, write_controlnet

EDGES, BLOBS = (
    Image.fromarray(np.random.default_rng(k).integers(0, 256, (64, 96, 3), dtype=np.uint8)) for k in (1, 2)
)
PICTURES = {sha256_of(image): image for image in (EDGES, BLOBS)}
EDGES_NAME, BLOBS_NAME = PICTURES


def control(net: str = "edges", picture: str = EDGES_NAME, **changes: Any) -> Control:
    return Control(net=net, picture=picture, **changes)


CONTROLS: dict[str, tuple[Control, ...]] = {
    "one": (control(),),
    "one, weaker": (control(weight=0.6),),
    "one, for a part of the steps": (control(start=0.2, end=0.7),),
    "two": (control(weight=0.8), control("blobs", BLOBS_NAME, weight=0.5)),
    "two, in turn": (control(end=0.5), control("blobs", BLOBS_NAME, start=0.5)),
}


class Home:
    """A tiny model of a family and a folder with two ControlNets for it."""

    def __init__(self, models: Models, family: Family) -> None:
        self.model = models.folder(family)
        self.family: Family = family
        self.nets = models.root / f"{family}-controlnets"
        for seed, name in enumerate(("edges", "blobs")):
            write_controlnet(self.nets / name, self.model, seed)
        self.parts = models.parts(self.model)
        self.folder = ControlNetFolder(self.nets)
        self.materials = Folders(controlnets=self.folder, pictures=PICTURES).of(self.parts)

    def latents(self, recipe: Recipe) -> Tensor:
        return our_latents(recipe, self.parts, self.materials)


def theirs(home: Home, recipe: Recipe) -> Tensor:
    """What diffusers gives for ``recipe``."""
    from diffusers.models.controlnets.controlnet import ControlNetModel

    kind = f"StableDiffusion{'XL' if home.family == 'sdxl' else ''}ControlNetPipeline"
    nets = [ControlNetModel.from_pretrained(home.nets / one.net) for one in recipe.controls]
    pipeline = their_pipeline(home.model, kind, controlnet=nets)
    return their_latents(
        pipeline, recipe, image=[PICTURES[one.picture] for one in recipe.controls],
        controlnet_conditioning_scale=[one.weight for one in recipe.controls],
        control_guidance_start=[one.start for one in recipe.controls],
        control_guidance_end=[one.end for one in recipe.controls],
    )  # fmt: skip


def _run(models: Models, family: Family, name: str) -> Pair:
    home = Home(models, family)
    recipe = RECIPE.model_copy(update={"controls": CONTROLS[name]})
    return Pair(home.latents(recipe), theirs(home, recipe), home.latents(RECIPE))


CASES = [
    Case(f"ControlNet, {said}: {name}", partial(_run, family=family, name=name))
    for said, family in FAMILIES.items()
    for name in CONTROLS
]
