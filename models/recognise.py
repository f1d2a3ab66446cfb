"""Which family a checkpoint file is of, and what it says of itself: from its header alone.

Shapes decide the family, since the weights must fit them anyway; ``modelspec`` metadata
(github.com/Stability-AI/ModelSpec) and the marker tensors of fine-tunes tell the rest
(docs/decisions/0009-checkpoints.md). Knows no networks.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.error import ModelError
from models.header import Header

UNET = "model.diffusion_model."
FIRST = f"{UNET}input_blocks.0.0.weight"
FAMILIES = Path(__file__).parent / "families"
BY_WIDTH = {768: "sd1", 1024: "sd2", 2048: "sdxl"}  # of the text that the U-Net's attention reads
ALLOWED = "allowed: a whole checkpoint of Stable Diffusion 1.x, 2.x or SDXL base"
OTHERS = {  # a name has this in it -> what the file is
    "lora_": "a LoRA",
    "control_model.": "a ControlNet",
    "double_blocks.": "a Flux model",
    "joint_blocks.": "a Stable Diffusion 3 model",
    "emb_params": "an embedding",
    "down_blocks.": "one network under diffusers' names",
    "encoder.conv_in.": "a VAE",
}

Told = Literal["epsilon", "v_prediction"]


@dataclass(frozen=True)
class Recognised:
    """What the header of a checkpoint tells."""

    configs: Path  # the folder that describes its family
    channels: int  # that the U-Net takes: 4, or 9 for painting inside a mask
    prediction: Told | None  # None where it is not said
    zero_snr: bool  # whether it was trained down to pure noise
    size: tuple[int, int] | None  # (width, height) in pixels, where the file names one


def recognise(header: Header, configs: Path | None = None) -> Recognised:
    """What ``header`` tells; ``configs`` is given where the family is not to be recognised.

    Raises ``ModelError`` for what is no checkpoint of the families, and says what it is if that is known.
    """
    family = _family(header) if configs is None else "other"
    first = header.shapes.get(FIRST, ())
    if len(first) != 4 or first[1] not in (4, 9):
        raise ModelError(
            f"File {str(header.file)!r} has a first convolution of shape {first}; allowed: from 4 channels, "
            "or from 9 for inpainting."
        )
    prediction = _prediction(header) or (None if family == "other" else _usual(family, first[1]))
    zero_snr = "ztsnr" in header.shapes
    return Recognised(configs or FAMILIES / family, first[1], prediction, zero_snr, _size(header))


def _usual(family: str, channels: int) -> Told | None:
    """What a family's models predict; those of Stable Diffusion 2 do either, but for its inpainting one."""
    return "epsilon" if family != "sd2" or channels == 9 else None


def _family(header: Header) -> str:
    widths = {
        shape[1] for name, shape in header.shapes.items()
        if name.startswith(UNET) and name.endswith("attn2.to_k.weight") and len(shape) == 2
    }  # fmt: skip
    family = BY_WIDTH.get(next(iter(widths))) if len(widths) == 1 else None
    sizes = f"{UNET}label_emb.0.0.weight" in header.shapes  # a second condition beside text and time
    if family is None or sizes != (family == "sdxl"):
        raise ModelError(f"File {str(header.file)!r} holds {_other(header, widths)}; {ALLOWED}.")
    if "edm_mean" in header.shapes or "edm_vpred.sigma_max" in header.shapes:
        raise ModelError(f"File {str(header.file)!r} holds an SDXL of EDM's noise levels; {ALLOWED}.")
    return family


def _other(header: Header, widths: set[int]) -> str:
    """In words, what a file is that is none of the families."""
    said = header.metadata.get("modelspec.architecture", "")
    if said:
        return f"a model that calls itself {said[:60]!r}"
    if 1280 in widths:
        return "the SDXL refiner"
    if FIRST in header.shapes:
        return "a U-Net of another family"
    for part, what in OTHERS.items():
        if any(part in name for name in header.shapes):
            return what
    return "no U-Net under LDM's names"


def _prediction(header: Header) -> Told | None:
    """What the file says: by a marker tensor, or in its metadata."""
    said = header.metadata.get("modelspec.prediction_type", "").lower()
    if "v_pred" in header.shapes or said in ("v", "v_prediction", "v-prediction"):
        return "v_prediction"
    if said in ("epsilon", "eps"):
        return "epsilon"
    return "v_prediction" if "768-v" in header.metadata.get("modelspec.architecture", "") else None


def _size(header: Header) -> tuple[int, int] | None:
    """``modelspec.resolution``, "WxH" or one side, if it is a size to draw at."""
    said = re.fullmatch(r"(\d{3,4})(?:x(\d{3,4}))?", header.metadata.get("modelspec.resolution", ""))
    if said is None:
        return None
    width, height = int(said[1]), int(said[2] or said[1])
    sound = all(256 <= side <= 2048 and side % 64 == 0 for side in (width, height))
    return (width, height) if sound else None
