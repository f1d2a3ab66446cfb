"""What recipes name and somebody has to have: LoRAs, ControlNets, pictures and others. Knows no recipes."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, TypeAlias

from PIL import Image

from adapters import (
    ControlNet,
    ControlNetFolder,
    Embedding,
    EmbeddingFolder,
    IpAdapter,
    IpAdapterFolder,
    Lora,
    LoraFolder,
    UpscalerFolder,
    Words,
    mentioned,
)
from models import Parts
from models.upscaler import Upscaler

Find: TypeAlias = Callable[[str, bool], Lora]
"""The LoRA of a name, and whether only a part of it may fit; raises ``ValueError``."""
Pictures: TypeAlias = Mapping[str, Image.Image]
"""Decoded pictures by the names that recipes have for them; may raise ``ValueError`` for what was there."""
# Of one model, those that were wanted last.
LORAS_KEPT, CONTROLNETS_KEPT, EMBEDDINGS_KEPT, IP_ADAPTERS_KEPT, UPSCALERS_KEPT = 16, 4, 64, 4, 2


@dataclass(frozen=True)
class Materials:
    """Those of one model. None where there is no place for such a thing."""

    lora: Find | None = None
    controlnet: Callable[[str], ControlNet] | None = None
    embedding: Callable[[str], Embedding] | None = None
    embeddings: Collection[str] = ()  # their names
    pictures: Pictures = field(default_factory=dict)
    ip_adapter: Callable[[str], IpAdapter] | None = None
    upscaler: Callable[[str], Upscaler] | None = None

    def words(self, text: str) -> Words:
        """What ``text`` says that embeddings stand for. Raises ``ValueError``."""
        names = mentioned(text, self.embeddings)
        return tuple((name, self.embedding(name)) for name in names) if self.embedding else ()


@dataclass(frozen=True)
class Folders:
    """Where they are, for whichever model."""

    loras: LoraFolder | None = None
    controlnets: ControlNetFolder | None = None
    embeddings: EmbeddingFolder | None = None
    pictures: Pictures = field(default_factory=dict)
    ip_adapters: IpAdapterFolder | None = None
    upscalers: UpscalerFolder | None = None

    def of(self, parts: Parts) -> Materials:
        """Those for the model ``parts``; each is read once while it is among the last that were wanted."""
        return Materials(
            lora=_kept_loras(self.loras, parts),
            controlnet=_kept(self.controlnets, parts, CONTROLNETS_KEPT),
            embedding=_kept(self.embeddings, parts, EMBEDDINGS_KEPT),
            embeddings=self.embeddings if self.embeddings is not None else (),
            pictures=self.pictures,
            ip_adapter=_kept(self.ip_adapters, parts, IP_ADAPTERS_KEPT),
            upscaler=_kept(self.upscalers, parts, UPSCALERS_KEPT),
        )


def _kept_loras(folder: LoraFolder | None, parts: Parts) -> Find | None:
    if folder is None:
        return None

    @lru_cache(LORAS_KEPT)
    def find(name: str, partly: bool) -> Lora:
        return folder.fitting(name, parts) if partly else folder.load(name, parts)

    return find


def _kept(folder: Any, parts: Parts, most: int) -> Any:
    return None if folder is None else lru_cache(most)(partial(folder.load, parts=parts))
