"""How the starter is asked when it is measured: with the guidance of its own defaults."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import torch
from torch import Tensor

from models import Context, Parts
from pipelines.recipe import OF_MODEL, Recipe
from schedulers import Level


def good_settings(parts: Parts) -> dict[str, Any]:
    """What a model is drawn with where nothing else is asked: its own defaults, else those of any recipe."""
    return {name: parts.defaults.get(name, Recipe.model_fields[name].default) for name in OF_MODEL}


def guided(parts: Parts, texts: Sequence[str]) -> Callable[[Tensor, Level], Tensor]:
    """Classifier-free guidance (arXiv:2207.12598, eq. 6, in x0) of (N, C, h, w), a row for each text, in the
    interval that the model's defaults name (arXiv:2404.07724).

    Rows of the network's calls are those that are asked, then as many without words.
    """
    good = good_settings(parts)
    strength, high = good["guidance"], good["guidance_high"] or inf
    blank = parts.encode_text([""]).expand(len(texts))
    context = Context.cat([parts.encode_text(list(texts)), blank])

    def denoise(x: Tensor, level: Level) -> Tensor:
        both = parts.denoise(torch.cat([x, x]), [level] * (2 * len(x)), context)
        asked, plain = both.chunk(2)
        return plain + strength * (asked - plain) if level.ve_sigma <= high else asked

    return denoise
