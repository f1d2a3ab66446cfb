"""Reversible changes to a model: the weights that it was loaded with are never touched."""

from adapters.attached import Use, Uses, attached
from adapters.controlnet import ControlNet, Hint, Hints, hinted, load_controlnet
from adapters.folder import (
    ControlNetFolder,
    EmbeddingFolder,
    ImageEncoderFolder,
    IpAdapterFolder,
    LoraFolder,
    UpscalerFolder,
)
from adapters.ip_adapter import IpAdapter, Likeness, Likenesses, Seen, likened, load_ip_adapter
from adapters.lora import Lora, load_lora
from adapters.preprocess import PREPROCESSORS, Preprocessor, preprocess
from adapters.seamless import seamless
from adapters.textual_inversion import Embedding, Words, load_embedding, mentioned, taught

__all__ = [
    "PREPROCESSORS",
    "ControlNet",
    "ControlNetFolder",
    "Embedding",
    "EmbeddingFolder",
    "Hint",
    "Hints",
    "ImageEncoderFolder",
    "IpAdapter",
    "IpAdapterFolder",
    "Likeness",
    "Likenesses",
    "Lora",
    "LoraFolder",
    "UpscalerFolder",
    "Preprocessor",
    "Seen",
    "Use",
    "Uses",
    "Words",
    "attached",
    "hinted",
    "likened",
    "load_controlnet",
    "load_embedding",
    "load_ip_adapter",
    "load_lora",
    "mentioned",
    "preprocess",
    "seamless",
    "taught",
]
