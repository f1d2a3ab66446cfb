"""The networks in one checkpoint file of LDM's layout: the names are LDM's, the networks diffusers'.

Diffusers' own converters do the renaming, which is pure; what they leave unsaid (a missing, strange or
misshapen weight) ``networks.fill`` says. Knows no hub.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.defaults import read_json
from models.error import ModelError
from models.header import Header
from models.networks import empty, fill

PREFIXES = {
    "unet": ("model.diffusion_model.",),
    "vae": ("first_stage_model.", "vae."),
    "text_encoder": ("cond_stage_model.", "conditioner.embedders.0."),
    "text_encoder_2": ("conditioner.embedders.1.",),
    "controlnet": ("control_model.",),
}
NAMES = {
    "unet": "U-Net",
    "vae": "VAE",
    "text_encoder": "text encoder",
    "text_encoder_2": "second text encoder",
    "controlnet": "ControlNet",
}
OF_VAE = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
SIZES = {"label_emb.0.0": "add_embedding.linear_1", "label_emb.0.2": "add_embedding.linear_2"}  # SDXL's
NOT_WEIGHTS = ("embeddings.position_ids", "logit_scale")  # counted, or CLIP's business with pictures


def from_checkpoint(
    kind: Any,
    header: Header,
    part: str,
    config: Mapping[str, Any],
    dtype: torch.dtype,
    prefix: str | None = None,
) -> Any:
    """The network ``part`` (a key of ``PREFIXES``) of class ``kind``, described by ``config``.

    Its names in the file begin with ``prefix`` where that is given. Raises ``ModelError``.
    """
    prefixes = PREFIXES[part] if prefix is None else (prefix,)
    found = next((one for one in prefixes if header.has(one)), None)
    if found is None:
        remedy = "; choose one beside it with vae=PATH" if part == "vae" else ""
        raise ModelError(f"File {str(header.file)!r} has no {NAMES[part]}{remedy}.")
    network = empty(kind, dict(config))
    what = f"The {NAMES[part]} of file {str(header.file)!r}"
    _check_room(header, found, network, what)
    tensors = _read(header, part, found)
    if part in ONE_TO_ONE and len(tensors) != (expected := len(network.state_dict())):
        raise ModelError(f"{what} has {len(tensors)} weights; allowed: {expected}.")
    try:
        weights = CONVERTERS[part](tensors, network)
    except (KeyError, AttributeError, IndexError, TypeError, RuntimeError, ValueError) as error:
        raise ModelError(f"{what} is not built as its family is ({type(error).__name__}).") from error
    # The converters put None for a name that they looked for in vain.
    return fill(network, {name: w for name, w in weights.items() if w is not None}, dtype, what)


def _check_room(header: Header, prefix: str, network: Any, what: str) -> None:
    """Before any weight is read: a file of holes may promise terabytes. Raises ``ModelError``."""
    most = 2 * sum(tensor.numel() for tensor in network.state_dict().values())  # losses, layers never used
    got = sum(prod(shape) for name, shape in header.shapes.items() if name.startswith(prefix))
    if got > most:
        raise ModelError(f"{what} has {got} numbers; allowed: at most {most}.")


def read_config(configs: Path, part: str) -> dict[str, Any]:
    return read_json(configs / part / "config.json")


def _read(header: Header, part: str, prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, which is taken off; read when they are used."""
    from safetensors import safe_open

    names = [name.removeprefix(prefix) for name in header.shapes if name.startswith(prefix)]
    if part == "vae":  # beside it there are the losses that it was trained with
        names = [name for name in names if name.startswith(OF_VAE)]
    with safe_open(header.file, "pt") as opened:
        return {name: opened.get_tensor(prefix + name) for name in names}


def _unet(tensors: dict[str, Tensor], network: Any) -> dict[str, Tensor]:
    from diffusers.loaders.single_file_utils import LDM_UNET_KEY, convert_ldm_unet_checkpoint

    named = {LDM_UNET_KEY + name: tensor for name, tensor in tensors.items()}
    return convert_ldm_unet_checkpoint(named, dict(network.config))


def _controlnet(tensors: dict[str, Tensor], network: Any) -> dict[str, Tensor]:
    """Diffusers' converter forgets what SDXL is told beside text and time."""
    from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint

    if any(name.startswith("controlnet_cond_embedding.") for name in tensors):  # diffusers' names already
        return tensors
    sizes = {
        name.replace(place, SIZES[place]): tensor
        for name, tensor in tensors.items()
        for place in SIZES
        if name.startswith(place)
    }
    return convert_controlnet_checkpoint(tensors, dict(network.config)) | sizes


def _vae(tensors: dict[str, Tensor], network: Any) -> dict[str, Tensor]:
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    if any(".down_blocks." in name for name in tensors):  # diffusers' names already
        return tensors
    return convert_ldm_vae_checkpoint(tensors, dict(network.config))


def _text(tensors: dict[str, Tensor], network: Any, place: str) -> dict[str, Tensor]:
    """transformers' names with or without "text_model.", or OpenCLIP's, which keep q, k and v in one.

    By ``place``, where it stood in the file, the converter knows which layer SD 2 does not use.
    """
    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    if any(name.startswith("model.") for name in tensors):
        full = {place + name: tensor for name, tensor in tensors.items()}
        named = convert_open_clip_checkpoint(network, full, f"{place}model.")
    else:
        named = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    wrapped = "text_model." if any(name.startswith("text_model.") for name in network.state_dict()) else ""
    return {
        name if name.startswith("text_projection") else wrapped + name.removeprefix("text_model."): tensor
        for name, tensor in named.items()
        if not name.endswith(NOT_WEIGHTS)
    }


CONVERTERS: dict[str, Callable[[dict[str, Tensor], Any], dict[str, Tensor]]] = {
    "unet": _unet,
    "vae": _vae,
    "text_encoder": partial(_text, place="cond_stage_model."),
    "text_encoder_2": partial(_text, place="conditioner.embedders.1."),
    "controlnet": _controlnet,
}
ONE_TO_ONE = (
    "unet",
    "vae",
    "controlnet",
)  # as many names with LDM as with diffusers; more would be dropped unsaid
