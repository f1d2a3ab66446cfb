"""What recipes name and somebody has to have: LoRAs, ControlNets, pictures. Knows no recipes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, TypeAlias

from PIL import Image

from adapters import ControlNet, ControlNetFolder, Lora, LoraFolder
from models import Parts

Find: TypeAlias = Callable[[str], Lora]
"""The LoRA of a name; raises ``ValueError``."""
Pictures: TypeAlias = Mapping[str, Image.Image]
"""Decoded pictures by the names that recipes have for them; may raise ``ValueError`` for what was there."""
LORAS_KEPT, CONTROLNETS_KEPT = 16, 4  # of one model, those that were wanted last


@dataclass(frozen=True)
class Materials:
    """Those of one model. None where there is no place for such a thing."""

    lora: Find | None = None
    controlnet: Callable[[str], ControlNet] | None = None
    pictures: Pictures = field(default_factory=dict)


@dataclass(frozen=True)
class Folders:
    """Where they are, for whichever model."""

    loras: LoraFolder | None = None
    controlnets: ControlNetFolder | None = None
    pictures: Pictures = field(default_factory=dict)

    def of(self, parts: Parts) -> Materials:
        """Those for the model ``parts``; each is read once while it is among the last that were wanted."""
        return Materials(
            _kept(self.loras, parts, LORAS_KEPT),
            _kept(self.controlnets, parts, CONTROLNETS_KEPT),
            self.pictures,
        )


def _kept(folder: Any, parts: Parts, most: int) -> Any:
    return folder and lru_cache(most)(partial(folder.load, parts=parts))
