"""What a recipe's ControlNets follow, step by step: pictures of the drawing's size. Runs nothing."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from adapters import Hint, Hints
from models import Parts
from pipelines.control import Control
from pipelines.influences import AWAY, flat, numbered, picture_of, steps_of
from pipelines.materials import Materials
from pipelines.recipe import Recipe
from pipelines.staged import Steps
from schedulers import Level


class Followed(NamedTuple):
    """A hint, the steps in which it is followed (from 1), and whether only under the prompt."""

    hint: Hint
    first: int
    last: int
    prompt_only: bool


def followed(recipe: Recipe, parts: Parts, materials: Materials) -> tuple[Followed, ...]:
    """The hints of ``recipe``. Raises ``RecipeError`` where one cannot be followed."""
    found = []
    for number, control in enumerate(recipe.controls, 1):
        with numbered("controls", number):
            first, last = steps_of(control, recipe.steps)
            if control.weight:
                found.append(_followed(control, recipe, materials)._replace(first=first, last=last))
    return tuple(found)


def _followed(control: Control, recipe: Recipe, materials: Materials) -> Followed:
    if materials.controlnet is None:
        raise ValueError(f"got {control.net[:60]!r}; allowed: none, as there is no folder of them.")
    given = picture_of(control, materials.pictures)
    net = materials.controlnet(control.net)
    picture = sized(given, recipe.width, recipe.height, control.resize)
    hint = net.hint(pixels(picture), control.weight, soft=control.balance != "balanced")
    # Pooled residuals say nothing of places, and would make both branches alike (as in diffusers).
    return Followed(hint, 1, recipe.steps, control.balance == "control" or net.pooled)


def hints_at(some: Sequence[Followed], steps: Steps, asked: int, level: Level, text: str) -> Hints:
    """Those that an ask at ``level`` after ``asked`` others follows under ``text``, one of the guidance's."""
    return tuple(
        one.hint
        for one in some
        if not (one.prompt_only and text in AWAY) and steps.within(one.first, one.last, asked, level)
    )


def sized(picture: Image.Image, width: int, height: int, resize: str) -> Image.Image:
    """``picture`` in RGB and of that size; ``resize`` is a name of ``pipelines.control.RESIZES``."""
    picture = flat(picture)
    match resize:
        case "stretch":
            return picture.resize((width, height), Image.Resampling.LANCZOS)
        case "crop":
            return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
        case _:
            return ImageOps.pad(picture, (width, height), Image.Resampling.LANCZOS, color=_edge(picture))


def _edge(picture: Image.Image) -> tuple[int, ...]:
    """The median colour of its border."""
    values = np.asarray(picture)
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    return tuple(int(value) for value in np.median(border, axis=0))


def pixels(picture: Image.Image) -> Tensor:
    """(3, H, W) in [0, 1]."""
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1) / 255
