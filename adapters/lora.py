"""LoRA files: read safely, matched with a model's modules by name, all of their tensors or none.

Names as kohya's trainers write them (``lora_unet_``, ``lora_te_``, ``lora_te1_``, ``lora_te2_``; for SDXL
also in Stability's names), diffusers' and PEFT's (``unet.``, ``text_encoder.``). Knows no prompts.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from adapters.formats import SUFFIXES
from adapters.patch import Patch, patch
from models import ModelError, Parts
from models.header import read_header

log = logging.getLogger("atelier.adapters")
LARGEST = 2 << 30  # bytes
IN_BLOCKS = ("lora_unet_input_blocks_", "lora_unet_middle_block_", "lora_unet_output_blocks_")
SGM_TOP = {  # outside the blocks
    "lora_unet_input_blocks_0_0": "lora_unet_conv_in", "lora_unet_out_2": "lora_unet_conv_out",
    "lora_unet_time_embed_0": "lora_unet_time_embedding_linear_1",
    "lora_unet_time_embed_2": "lora_unet_time_embedding_linear_2",
    "lora_unet_label_emb_0_0": "lora_unet_add_embedding_linear_1",
    "lora_unet_label_emb_0_2": "lora_unet_add_embedding_linear_2",
}  # fmt: skip
SGM_LAYERS = {  # of a block's convolutions, as LoCon trains them
    "_in_layers_2": "_conv1", "_emb_layers_1": "_time_emb_proj", "_out_layers_3": "_conv2",
    "_skip_connection": "_conv_shortcut", "_downsamplers_0_op": "_downsamplers_0_conv",
}  # fmt: skip
SGM_BLOCKS = {"input_blocks": "down_blocks", "middle_block": "mid_block", "output_blocks": "up_blocks"}


@dataclass(frozen=True, eq=False)
class Lora:
    """What a file adds to a model: for each of its networks, by module name."""

    name: str
    patches: Mapping[str, Mapping[str, Patch]]  # "unet", "text_encoder", "text_encoder_2"
    applied: int  # tensors
    of: int  # that the file has

    @property
    def said(self) -> str:
        return f"LoRA {self.name!r}: {self.applied} of {self.of} tensors applied."


def load_lora(file: Path, parts: Parts, partial: bool = False) -> Lora:
    """The LoRA of a safetensors file for the model ``parts``.

    Raises ``ModelError`` where the file is unsound, or any of its tensors has no place in the model; where
    that is accepted (``partial``), where none has. What has a place must fit it in any case.
    """
    from safetensors.torch import load_file

    if not read_header(file).shapes:
        raise ModelError(f"LoRA {file.stem!r}: got a file of 0 tensors; allowed: one that changes something.")
    if file.stat().st_size > LARGEST:
        raise ModelError(f"File {file.name!r} has {file.stat().st_size} bytes; allowed: at most {LARGEST}.")
    tensors = load_file(file)
    modules = modules_of(parts)
    if any(key.startswith((*IN_BLOCKS, *SGM_TOP)) for key in tensors):
        tensors = _in_diffusers_names(tensors, parts.unet.config)
    found: dict[tuple[str, str], dict[str, Tensor]] = defaultdict(dict)
    lost = []
    for key, tensor in tensors.items():
        name, suffix = _split(key)
        if suffix and (place := modules.get(name)) is not None:
            if suffix in found[place]:
                raise ModelError(f"LoRA {file.stem!r}: {'.'.join(place)} has its {suffix} under two names.")
            found[place][suffix] = tensor
        else:
            lost.append(key)
    if lost and not (partial and found):
        some = ", ".join(key[:120] for key in sorted(lost)[:3]) + (" ..." if len(lost) > 3 else "")
        fit = f"{len(tensors) - len(lost)} of {len(tensors)} tensors fit model {parts.name!r}"
        how = f" <lora:{file.stem}:1:partial> draws with those that fit." if found else ""
        raise ModelError(f"LoRA {file.stem!r}: {fit}; it has no place for {some}.{how}")
    networks = dict(networks_of(parts))
    patches: dict[str, dict[str, Patch]] = defaultdict(dict)
    for (component, path), its in found.items():
        try:
            patches[component][path] = patch(
                its, networks[component].get_submodule(path).weight, parts.device
            )
        except ValueError as error:
            raise ModelError(f"LoRA {file.stem!r}: its change of {component}.{path} {error}.") from None
        except RuntimeError:  # torch's, where memory is short or a type of numbers has no arithmetic
            said = "cannot be computed on this machine"
            raise ModelError(f"LoRA {file.stem!r}: its change of {component}.{path} {said}.") from None
    made = Lora(file.stem, patches, len(tensors) - len(lost), len(tensors))
    log.info("%s Model %r.", made.said, parts.name)
    return made


def networks_of(parts: Parts) -> Iterator[tuple[str, Any]]:
    """("unet", ...), ("text_encoder", ...) and for SDXL ("text_encoder_2", ...)."""
    yield "unet", parts.unet
    for k, encoder in enumerate(parts.encoders, 1):
        yield "text_encoder" if k == 1 else f"text_encoder_{k}", encoder.network


def modules_of(parts: Parts) -> dict[str, tuple[str, str]]:
    """Every name that files have for a module -> (network, module's own name)."""
    names: dict[str, tuple[str, str]] = {}
    several = len(parts.encoders) > 1
    for component, network in networks_of(parts):
        for path, module in network.named_modules():
            if not isinstance(module, nn.Linear | nn.Conv2d):
                continue
            for name in _names(component, path, several):
                names[name] = (component, path)
    return names


def _names(component: str, path: str, several: bool) -> list[str]:
    if component == "unet":
        old = path.replace(".to_", ".processor.to_").replace("to_out.0", "to_out") + "_lora"
        return ["lora_unet_" + path.replace(".", "_"), f"unet.{path}", f"unet.{old}",
                f"base_model.model.{path}"]  # fmt: skip
    inside = path if path.startswith("text_model.") or path == "text_projection" else f"text_model.{path}"
    number = component.removeprefix("text_encoder").removeprefix("_") or ("1" if several else "")
    return [f"lora_te{number}_{inside.replace('.', '_')}", f"{component}.{inside}", f"{component}.{path}"]


def _split(key: str) -> tuple[str, str]:
    """(module's name, one of ``SUFFIXES``), the suffix empty where it is none of them."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if key.endswith("." + suffix):
            return key.removesuffix("." + suffix), suffix
    return key, ""


def _in_diffusers_names(tensors: dict[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Stability's names, in which SDXL's LoRAs are trained, in those of diffusers; all of them or none."""
    from diffusers.loaders.lora_conversion_utils import _maybe_map_sgm_blocks_to_diffusers

    top = tuple(SGM_TOP)
    # Alone: beside names of diffusers' that function leaves Stability's out.
    blocks = {key: t for key, t in tensors.items() if key.startswith(IN_BLOCKS) and not key.startswith(top)}
    renamed = {key: t for key, t in tensors.items() if key not in blocks}
    try:
        renamed |= _maybe_map_sgm_blocks_to_diffusers(dict(blocks), config)
    except (ValueError, IndexError, KeyError):  # blocks that this model has not: told name by name
        return tensors
    named = {_in_diffusers_name(key): tensor for key, tensor in renamed.items()}
    return named if len(named) == len(tensors) else tensors


def _in_diffusers_name(key: str) -> str:
    """What is left of Stability's names when blocks have diffusers' numbers."""
    module, dot, suffix = key.partition(".")
    module = SGM_TOP.get(module, module)
    for theirs, ours in SGM_BLOCKS.items():
        module = module.replace(f"lora_unet_{theirs}_", f"lora_unet_{ours}_")
    if "_resnets_" in module or "_downsamplers_" in module:
        for theirs, ours in SGM_LAYERS.items():
            module = module.removesuffix(theirs) + ours if module.endswith(theirs) else module
    return module + dot + suffix
