"""What a model file is, for which family, and what it says of itself: from its header alone, no weight read.

The names of the tensors decide the kind and their shapes the family, since what is loaded must fit them
anyway; metadata (modelspec, and the ``ss_`` of kohya's trainers) tells the rest. Knows no folders.
"""

import json
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from models.error import ModelError
from models.header import Header
from models.ip_adapter import MAPS, recognise_ip_adapter
from models.layout import read_layout
from models.recognise import BY_WIDTH, UNET, recognise
from models.upscaler import upscales

Kind = Literal[
    "checkpoint", "vae", "lora", "embedding", "controlnet", "ip-adapter", "image-encoder", "upscaler"
]
FAMILIES = {"sd1": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL"}
OF_LAYOUT = {"stable-diffusion-1": "sd1", "stable-diffusion-2": "sd2", "stable-diffusion-xl": "sdxl"}
OF_LORA = re.compile(
    r"(^lora_(unet|te\d?)_)|([._](lora_(A|B|down|up)|lora\.(down|up)|hada_w[12]_[ab]|lokr_w[12](_[ab])?)(\.weight)?$)"
)
READS_TEXT = re.compile(  # the LoRA's factor that reads the text, with as many columns as the text is wide
    r"attn2[._](processor\.)?to_k(_lora)?\.(lora_down\.weight|lora_A\.weight|lora\.down\.weight|down\.weight|hada_w1_b)$"
)
IN_ENCODER = re.compile(r"q_proj\.(lora_down\.weight|lora_A\.weight|lora\.down\.weight|hada_w1_b)$")
SAID = ("modelspec.architecture", "ss_base_model_version")
SAYS = {"xl": "sdxl", "sd_v2": "sd2", "diffusion-v2": "sd2", "sd_v1": "sd1", "diffusion-v1": "sd1"}
FIRST_OF_VISION = "vision_model.embeddings.patch_embedding.weight"
MOST_TRIGGERS = 8
THUMBNAIL = "modelspec.thumbnail"
OF_PICTURE = re.compile(r"data:image/(?:png|jpe?g|webp);base64", re.IGNORECASE)
LARGEST_THUMBNAIL = 1 << 20  # bytes; ModelSpec asks for a JPEG of 256 x 256
LONGEST = 80  # characters of one trigger or title


@dataclass(frozen=True)
class Described:
    """What a header tells. ``family`` is empty where neither shapes nor metadata say it."""

    kind: Kind
    family: str
    title: str = ""
    triggers: tuple[str, ...] = ()  # words that bring out what it was trained on
    inpainting: bool = False
    tells_prediction: bool = True  # False where whether it predicts noise or velocity must be guessed
    pictured: bool = False  # whether its metadata holds a picture, which ``thumbnail`` gives


def describe(header: Header) -> Described:
    """What the file of ``header`` is. Raises ``ModelError`` where the studio has no use for it."""
    return replace(_described(header), pictured=THUMBNAIL in header.metadata)


def thumbnail(metadata: Mapping[str, str]) -> bytes | None:
    """The file of a picture that ``modelspec.thumbnail`` holds, of at most ``LARGEST_THUMBNAIL`` bytes; None
    where there is none. Anybody may have written it: it is no picture before it was decoded.
    """
    said = metadata.get(THUMBNAIL, "")
    kind, comma, data = said[: 2 * LARGEST_THUMBNAIL].partition(",")
    if not comma or not OF_PICTURE.fullmatch(kind) or len(data) > LARGEST_THUMBNAIL * 4 // 3:
        return None
    try:
        return b64decode(data, validate=True)
    except ValueError:
        return None


def _described(header: Header) -> Described:
    title = header.metadata.get("modelspec.title", "").strip()[:LONGEST]
    if header.has(UNET):
        told = recognise(header)
        return Described(
            "checkpoint",
            FAMILIES[told.configs.name],
            title,
            triggers(header.metadata),
            told.channels == 9,
            told.prediction is not None,
        )
    for kind, widths in (
        ("ip-adapter", _of_ip_adapter(header)),
        ("image-encoder", _of_image_encoder(header)),
        ("lora", _of_lora(header)),
        ("controlnet", _of_controlnet(header)),
        ("embedding", _of_embedding(header)),
        ("vae", _of_vae(header)),
    ):
        if widths is not None:
            return Described(kind, _family(header, widths), title, triggers(header.metadata))  # type: ignore[arg-type]
    if upscales(header):
        return Described("upscaler", "", title)
    recognise(header)  # says what it is instead
    raise AssertionError(header.file)


def describe_folder(folder: Path) -> Described:
    """What a folder in diffusers' layout holds. Raises ``ModelError``, ``OSError`` or ``ValueError``."""
    from models.defaults import read_json

    if (folder / "model_index.json").exists():
        layout = read_layout(folder)
        channels = read_json(folder / "unet" / "config.json").get("in_channels", 4)
        family = FAMILIES.get(OF_LAYOUT.get(layout.family, ""), "")
        return Described("checkpoint", family, inpainting=channels == 9)
    config = read_json(folder / "config.json")
    match config.get("_class_name") or "".join(config.get("architectures") or []):
        case "AutoencoderKL":
            return Described("vae", "")
        case "ControlNetModel":
            family = BY_WIDTH.get(config.get("cross_attention_dim", 0), "")
            return Described("controlnet", FAMILIES.get(family, ""))
        case "CLIPVisionModelWithProjection":
            return Described("image-encoder", "")
        case other:
            raise ModelError(
                f"Folder {folder.name!r} holds a {str(other)[:60]}; allowed: a VAE, a ControlNet or an image "
                "encoder of CLIP."
            )


def triggers(metadata: Any) -> tuple[str, ...]:
    """What a file's author says brings it out; else the tags that most of its training pictures had."""
    said = metadata.get("modelspec.trigger_phrase", "").strip()
    if said:
        words = [word.strip() for word in said.split(",")]
        return tuple(word[:LONGEST] for word in words if word)[:MOST_TRIGGERS]
    count: Counter[str] = Counter()
    try:
        for tags in json.loads(metadata.get("ss_tag_frequency", "{}")).values():
            count.update({str(tag).strip(): int(times) for tag, times in tags.items()})
    except (ValueError, AttributeError, TypeError, RecursionError):  # anybody may have written it
        return ()
    del count[""]
    often = max(count.values(), default=0) / 2
    return tuple(tag[:LONGEST] for tag, times in count.most_common(MOST_TRIGGERS) if times >= often)


def _family(header: Header, widths: set[int]) -> str:
    """By the width of the text that it reads, and where that says nothing, by what its metadata says."""
    if len(widths) == 1 and (family := BY_WIDTH.get(next(iter(widths)))):
        return FAMILIES[family]
    said = " ".join(header.metadata.get(name, "") for name in SAID).lower()
    return next((FAMILIES[family] for part, family in SAYS.items() if part in said), "")


def _of_ip_adapter(header: Header) -> set[int] | None:
    if recognise_ip_adapter(header) is None:
        return None
    return {s[1] for n, s in header.shapes.items() if n.startswith(MAPS) and n.endswith("to_k_ip.weight")}


def _of_image_encoder(header: Header) -> set[int] | None:
    """No width: the same ones see for the IP-Adapters of all families."""
    return set() if {"visual_projection.weight", FIRST_OF_VISION} <= header.shapes.keys() else None


def _of_lora(header: Header) -> set[int] | None:
    """The widths of text that its factors read, empty if none does; None for what is no LoRA."""
    if not any(OF_LORA.search(name) for name in header.shapes):
        return None
    two = {name: shape for name, shape in header.shapes.items() if len(shape) >= 2}
    if widths := {shape[1] for name, shape in two.items() if READS_TEXT.search(name)}:
        return widths
    if any(name.startswith(("lora_te2_", "text_encoder_2.")) for name in two):
        return {2048}
    return {shape[1] for name, shape in two.items() if IN_ENCODER.search(name)}


def _of_controlnet(header: Header) -> set[int] | None:
    if not any(map(header.has, ("control_model.", "controlnet_cond_embedding.", "lora_controlnet"))):
        return None
    reads = ("attn2.to_k.weight", "attn2.to_k.down")  # the latter of a Control-LoRA
    return {s[1] for name, s in header.shapes.items() if name.endswith(reads) and len(s) == 2}


def _of_embedding(header: Header) -> set[int] | None:
    """One or several vectors in the place of a word: of SDXL a pair, for its two encoders."""
    if header.shapes.keys() >= {"clip_l", "clip_g"}:
        return {2048}
    if "emb_params" in header.shapes:
        return {header.shapes["emb_params"][-1]} if header.shapes["emb_params"] else set()
    if len(header.shapes) == 1:  # diffusers' form: the word is the tensor's name
        [shape] = header.shapes.values()
        if len(shape) in (1, 2) and shape[-1] in BY_WIDTH:
            return {shape[-1]}
    return None


def _of_vae(header: Header) -> set[int] | None:
    """No width: the VAEs of all families have the same shapes."""
    for prefix in ("", "first_stage_model.", "vae."):
        if {f"{prefix}encoder.conv_in.weight", f"{prefix}decoder.conv_in.weight"} <= header.shapes.keys():
            return set()
    return None
