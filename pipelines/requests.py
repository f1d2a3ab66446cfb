"""What a pipeline asks the engine for. The engine (or the one-at-a-time driver) answers each in kind.

A pipeline is a generator that yields one ``Request`` at a time and is sent its answer:

=================  ===================================================================
EncodeText         ``Context``, one row for each different text of each prompt, in their order
EncodeReference    ``Seen``, what an IP-Adapter reads of a picture
tuple[Denoise]     tuple of x0 estimates (B, C, h, w), one for each ``Denoise``
Step               None: nothing is asked, progress is told (``x0`` is what a preview shows)
EncodeImage        latents (B, C, h, w), in the U-Net's scale
Decode             pixels (B, 3, H, W) in [-1, 1]
Enlarge            pixels (1, 3, s h, s w) in [-1, 1], s the upscaler's scale
Prepare            what its ``make`` returns
=================  ===================================================================
"""

from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from PIL import Image
from torch import Tensor

from adapters import Hints, IpAdapter, Likenesses, Uses, Words
from models import Context
from models.upscaler import Upscaler
from schedulers.level import Level
from schedulers.network import Network


@dataclass(frozen=True)
class EncodeText:
    """Read ``prompts``: each as the texts of its stages (one if it never changes), with A1111's weights."""

    prompts: tuple[tuple[str, ...], ...]
    clip_skip: int = 1
    loras: Uses = ()
    words: Words = ()  # that embeddings stand for


@dataclass(frozen=True)
class EncodeReference:
    """Look at ``picture`` (RGB), which recipes call ``name``, by ``adapter``."""

    adapter: IpAdapter
    name: str
    picture: Image.Image = field(compare=False)


@dataclass(frozen=True, eq=False)
class Denoise:
    """Estimate x0 from ``x`` (B, C, h, w), every row at ``level``, under a ``context`` of B rows."""

    x: Tensor
    level: Level
    context: Context
    network: Network = "whole"
    loras: Uses = ()
    hints: Hints = ()
    likenesses: Likenesses = ()
    beside: Tensor | None = None  # (1, 1 + C, h, w) that an inpainting model reads beside x
    seamless: str = "none"  # edges that continue at the opposite one: x, y, both


@dataclass(frozen=True, eq=False)
class Step:
    """Step ``index`` (1-based) of ``of`` is done; ``x0`` (B, C, h, w) is the newest guided estimate."""

    index: int
    of: int
    x0: Tensor


@dataclass(frozen=True, eq=False)
class EncodeImage:
    pixels: Tensor  # (B, 3, H, W) in [-1, 1]
    seamless: str = "none"


@dataclass(frozen=True, eq=False)
class Decode:
    latents: Tensor  # (B, C, h, w), in the U-Net's scale
    seamless: str = "none"


@dataclass(frozen=True, eq=False)
class Enlarge:
    """Make one tile larger by ``upscaler``."""

    upscaler: Upscaler
    pixels: Tensor  # (1, 3, h, w) in [-1, 1]


@dataclass(frozen=True, eq=False)
class Prepare:
    """Reckon with pictures, which may be large: nothing that asks a network, so that it may be done beside.
    ``make`` may raise ``RecipeError``; it uses the tokenizer if it reads ``words``. What has the same ``key``
    is the same."""

    make: Callable[[], Any]
    key: Hashable = None
    words: bool = False


Request: TypeAlias = (
    EncodeText | EncodeReference | tuple[Denoise, ...] | Step | EncodeImage | Decode | Enlarge | Prepare
)
Pipeline: TypeAlias = Generator[Request, Any, Tensor]
"""Returns the pixels (B, 3, H, W) in [-1, 1]; (B, 4, H, W) of a picture that has transparency."""
