"""Reversible changes to a model: the weights that it was loaded with are never touched."""

from adapters.attached import Use, Uses, attached
from adapters.folder import LoraFolder
from adapters.lora import Lora, load_lora

__all__ = ["Lora", "LoraFolder", "Use", "Uses", "attached", "load_lora"]
