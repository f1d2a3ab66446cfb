"""Reversible changes to a model: the weights that it was loaded with are never touched."""

from adapters.attached import Use, Uses, attached
from adapters.controlnet import ControlNet, Hint, Hints, hinted, load_controlnet
from adapters.folder import ControlNetFolder, LoraFolder
from adapters.lora import Lora, load_lora
from adapters.preprocess import PREPROCESSORS, Preprocessor, preprocess

__all__ = [
    "PREPROCESSORS",
    "ControlNet",
    "ControlNetFolder",
    "Hint",
    "Hints",
    "Lora",
    "LoraFolder",
    "Preprocessor",
    "Use",
    "Uses",
    "attached",
    "hinted",
    "load_controlnet",
    "load_lora",
    "preprocess",
]
