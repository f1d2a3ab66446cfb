"""IP-Adapters, base and plus, against diffusers' ``load_ip_adapter``."""

from functools import partial
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from adapters import ImageEncoderFolder, IpAdapterFolder
from benchmarks.parity.latents import (
    FAMILIES,
    RECIPE,
    Case,
    Models,
    Pair,
    our_latents,
    plain_pipeline,
    their_latents,
)
from gallery import sha256_of
from pipelines import Folders, Recipe, Reference
from tests.tiny import Family, write_image_encoder, write_ip_adapter

SCENE, FACE = (
    Image.fromarray(np.random.default_rng(k).integers(0, 256, (40, 56, 3), dtype=np.uint8)) for k in (3, 4)
)
PICTURES = {sha256_of(image): image for image in (SCENE, FACE)}
SCENE_NAME, FACE_NAME = PICTURES
FILES = {"base": False, "plus": True}  # name -> whether it is a plus


def reference(adapter: str = "base", picture: str = SCENE_NAME, **changes: Any) -> Reference:
    return Reference(adapter=adapter, picture=picture, **changes)


REFERENCES: dict[str, tuple[Reference, ...]] = {
    "base": (reference(),),
    "base, weaker": (reference(weight=0.4),),
    "plus": (reference("plus"),),
    "plus, for a part of the steps": (reference("plus", start=0.3, end=0.9),),
    "base and plus": (reference(weight=0.7), reference("plus", FACE_NAME, weight=0.5)),
}


class Home:
    """A tiny model of a family with an IP-Adapter of each kind, and the image encoder that they see by."""

    def __init__(self, models: Models, family: Family) -> None:
        self.model = models.folder(family)
        self.family: Family = family
        self.parts = models.parts(self.model)
        self.adapters = models.root / f"{family}-ip-adapters"
        self.encoder = models.root / "image-encoders" / "tiny"
        if not self.encoder.is_dir():
            write_image_encoder(self.encoder)
        for seed, (name, fine) in enumerate(FILES.items()):
            write_ip_adapter(self.adapters / f"{name}.safetensors", self.model, fine, seed)
        self.folder = IpAdapterFolder(self.adapters, ImageEncoderFolder(self.encoder.parent))
        self.materials = Folders(ip_adapters=self.folder, pictures=PICTURES).of(self.parts)

    def latents(self, recipe: Recipe) -> Tensor:
        return our_latents(recipe, self.parts, self.materials)


def theirs(home: Home, recipe: Recipe) -> Tensor:
    """Diffusers' latents; what is not in a step has the scale 0 there."""
    from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

    encoder = CLIPVisionModelWithProjection.from_pretrained(home.encoder)
    side = encoder.config.image_size
    processor = CLIPImageProcessor(size=side, crop_size=side)
    pipeline = plain_pipeline(home.model, home.family, image_encoder=encoder, feature_extractor=processor)
    files = [f"{one.adapter}.safetensors" for one in recipe.references]
    pipeline.load_ip_adapter(str(home.adapters), subfolder="", weight_name=files)

    def set_scale(pipeline: Any, done: int, *_: Any) -> dict[str, Any]:
        """As it is in the step after ``done``, from -1."""
        spans = [(one, *one.steps(recipe.steps)) for one in recipe.references]
        pipeline.set_ip_adapter_scale(
            [one.weight if first <= done + 2 <= last else 0.0 for one, first, last in spans]
        )
        return {}

    set_scale(pipeline, -1)
    images = [PICTURES[one.picture] for one in recipe.references]
    return their_latents(pipeline, recipe, ip_adapter_image=images, callback_on_step_end=set_scale)


def _run(models: Models, family: Family, name: str) -> Pair:
    home = Home(models, family)
    recipe = RECIPE.model_copy(update={"references": REFERENCES[name]})
    return Pair(home.latents(recipe), theirs(home, recipe), home.latents(RECIPE))


CASES = [
    Case(f"IP-Adapter, {said}: {name}", partial(_run, family=family, name=name))
    for said, family in FAMILIES.items()
    for name in REFERENCES
]
