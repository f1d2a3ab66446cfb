"""Control-LoRAs (Stability AI, 2023): ControlNets kept as low-rank changes of the U-Net's own encoder.

A weight W of the ControlNet is the U-Net's plus ``up @ down``; what the U-Net has not (the layers that read
the picture, those that hand on residuals) and what is small (norms, biases) is in the file as it is. Names
are LDM's, as in Stability's files, or diffusers'. Knows no files.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from models import ModelError
from models.checkpoint import CONVERTERS

MARK = "lora_controlnet"  # an empty tensor that says what the file is


def whole(tensors: Mapping[str, Tensor], network: Any, unet: Any, what: str) -> dict[str, Tensor]:
    """The weights of ``network`` (an empty ControlNetModel), beside the U-Net whose changes these are.

    Raises ``ModelError`` where a change has no weight to change, or is of another shape.
    """
    downs, ups, plain = _halves(tensors, what)
    mine = network.state_dict()
    base = {name: weight for name, weight in unet.state_dict().items() if name in mine}
    weights = {name: weight.float().cpu() for name, weight in base.items()}
    for name, tensor in _in_diffusers_names({**plain, **downs}, network, what).items():
        up = next((ups[place] for place, down in downs.items() if down is tensor), None)
        if up is None:
            weights[name] = tensor.float()
        elif name not in base or len(up) * tensor[0].numel() != base[name].numel():
            raise ModelError(f"{what} changes {name[:80]!r}, which this model has not in that shape.")
        else:
            change = up.float().flatten(1) @ tensor.float().flatten(1)
            weights[name] = weights[name] + change.view_as(weights[name])
    return weights


def _halves(
    tensors: Mapping[str, Tensor], what: str
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Both factors of each change by the name of the weight that is changed, and what is there as it is."""
    plain = {name: t for name, t in tensors.items() if name != MARK and not name.endswith((".up", ".down"))}
    halves = [
        {f"{name.removesuffix(end)}.weight": t for name, t in tensors.items() if name.endswith(end)}
        for end in (".down", ".up")
    ]
    downs, ups = halves
    if odd := downs.keys() ^ ups.keys():
        raise ModelError(f"{what} has half a change of {min(odd)[:80]!r}; allowed: both up and down.")
    if both := downs.keys() & plain.keys():
        raise ModelError(f"{what} has {min(both)[:80]!r} both whole and as a change.")
    for name, down in downs.items():
        up = ups[name]
        if min(down.dim(), up.dim()) < 2 or not down.numel() or up.flatten(1).shape[1] != len(down):
            raise ModelError(f"{what} changes {name[:80]!r} by up and down that do not fit each other.")
    return downs, ups, plain


def _in_diffusers_names(tensors: dict[str, Tensor], network: Any, what: str) -> dict[str, Tensor]:
    """Diffusers' converter only renames: each change goes through as its ``down``, in its weight's name."""
    try:
        renamed = CONVERTERS["controlnet"](tensors, network)
    except (KeyError, AttributeError, IndexError, TypeError, RuntimeError, ValueError) as error:
        raise ModelError(f"{what} is not built as its family is ({type(error).__name__}).") from error
    return {name: tensor for name, tensor in renamed.items() if tensor is not None}


def parted(control: Any) -> dict[str, Tensor]:
    """The tensors of a Control-LoRA's file: what of ``control`` is learnt, in half precision.

    ``control`` is a ControlNetModel with peft's LoRAs in it; names are diffusers'.
    """
    found = {MARK: torch.zeros(0)}
    for name, weight in control.named_parameters():
        if weight.requires_grad:
            name = name.replace(".lora_A.default.weight", ".down").replace(".lora_B.default.weight", ".up")
            found[name.replace(".base_layer.", ".")] = weight.detach().cpu().half().contiguous()
    return found
