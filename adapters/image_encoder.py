"""CLIP's image encoders (arXiv:2103.00020), by which IP-Adapters see pictures. Knows no adapters."""

from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from models import ModelError, Parts
from models.header import Header, read_header
from models.ip_adapter import Sight
from models.networks import empty, fill, folder_of, from_folder
from models.offload import at_work

VISION = "vision_model."
PROJECTED = "visual_projection.weight"
LIKE_BOTH = {"num_attention_heads": 16, "hidden_act": "gelu"}  # ViT-H and ViT-bigG, whose files do not say it
COUNTED = "embeddings.position_ids"  # in files of older versions; no weight


@dataclass(frozen=True, eq=False)
class ImageEncoder:
    """A loaded image encoder."""

    name: str
    network: Any  # transformers' CLIPVisionModelWithProjection
    processor: Any  # transformers' CLIPImageProcessor
    device: torch.device  # where it sees; an offloaded model's waits in main memory

    @torch.inference_mode()
    def see(self, picture: Image.Image, fine: bool) -> tuple[Tensor, Tensor]:
        """``picture`` (RGB), and nothing: (1, P) each, or if ``fine``, (1, L, H).

        The smaller side is fitted and the middle kept. Nothing is zeros in the place of the projection; for
        ``fine``, what a picture of zeros gives, as in the reference code.
        """
        pixels = self.processor(picture, return_tensors="pt").pixel_values  # (1, 3, side, side)
        pixels = pixels.to(self.device, self.network.dtype)
        with at_work(self.device, self.network):
            if fine:
                both = self.network(torch.cat([pixels, torch.zeros_like(pixels)]), output_hidden_states=True)
                there, nothing = both.hidden_states[-2].split(1)
                return there, nothing
            there = self.network(pixels).image_embeds
            return there, torch.zeros_like(there)


def sees(header: Header) -> tuple[Sight, Sight] | None:
    """What the image encoder of a file offers, in transformers' names; None for what is none."""
    shape = header.shapes.get(PROJECTED, ())
    if len(shape) != 2 or not header.has(VISION):
        return None
    return Sight(False, shape[0]), Sight(True, shape[1])


def load_image_encoder(file: Path, parts: Parts) -> ImageEncoder:
    """The image encoder of a safetensors file, beside the model ``parts``, whose device and dtype it gets.

    A file with a ``config.json`` beside it is a folder in transformers' layout. Raises ``ModelError``.
    """
    from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

    folder = folder_of(file)
    name = file.stem if folder is None else folder.name
    if folder is not None:
        network = from_folder(CLIPVisionModelWithProjection, folder, parts.dtype)
    else:
        header = read_header(file)
        network = empty(CLIPVisionModelWithProjection, _config(header))
        network = fill(network, _weights(header, network), parts.dtype, f"Image encoder {name!r}")
    side = network.config.image_size
    processor = CLIPImageProcessor(size=side, crop_size=side)
    return ImageEncoder(name, network.to(parts.resting), processor, parts.device)


def _config(header: Header) -> dict[str, Any]:
    """What the shapes tell, for a file that lies alone."""
    try:
        hidden, _, patch, _ = header.shapes[f"{VISION}embeddings.patch_embedding.weight"]
        places, _ = header.shapes[f"{VISION}embeddings.position_embedding.weight"]
        inner, _ = header.shapes[f"{VISION}encoder.layers.0.mlp.fc1.weight"]
        projected, _ = header.shapes[PROJECTED]
    except (KeyError, ValueError):
        raise ModelError(
            f"Image encoder {header.file.stem!r} is not CLIP's; allowed: CLIP ViT-H/14 or ViT-bigG/14."
        ) from None
    layers = {name.split(".")[3] for name in header.shapes if name.startswith(f"{VISION}encoder.layers.")}
    return LIKE_BOTH | {
        "hidden_size": hidden, "patch_size": patch, "image_size": isqrt(max(places - 1, 1)) * patch,
        "intermediate_size": inner, "projection_dim": projected, "num_hidden_layers": len(layers),
    }  # fmt: skip


def _weights(header: Header, network: Any) -> dict[str, Tensor]:
    """Read only if they have the shapes of ``network``: a file of holes may promise terabytes."""
    from safetensors import safe_open

    shapes = {name: shape for name, shape in header.shapes.items() if not name.endswith(COUNTED)}
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name, shape in shapes.items():
        if shape != expected.get(name, shape):
            said = f"has weights {name!r} of shape {shape}; allowed: {expected[name]}"
            raise ModelError(f"Image encoder {header.file.stem!r} {said}.")
    with safe_open(header.file, "pt") as opened:
        return {name: opened.get_tensor(name) for name in shapes if name in expected}
