"""Names that LDM's code gives to the weights of a diffusers folder: the way back from what loading does.

Written out from the structure of LDM's networks and OpenCLIP's, not from the converters under test.
"""

import json
import re
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

UNET = "model.diffusion_model."
RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
          "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}  # fmt: skip
TOP = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
       "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
       "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}  # fmt: skip
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OPEN_CLIP = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
             "self_attn.out_proj": "attn.out_proj"}  # fmt: skip
JOINT = re.compile(r"(encoder\.layers\.\d+\.)self_attn\.([qkv])_proj\.(weight|bias)")


def write_ldm(folder: Path, file: Path, metadata: dict[str, str] | None = None, **extra: Tensor) -> Path:
    """One checkpoint file of the model in ``folder``, named as its family's are; returns ``file``."""
    save_file(ldm_weights(folder) | extra, file, metadata)
    return file


def write_header(
    file: Path, shapes: dict[str, tuple[int, ...]], metadata: dict[str, str] | None = None
) -> Path:
    """A safetensors file of float16 holes, which take no room on the disk."""
    start, header = 0, {"__metadata__": metadata or {}}
    for name, shape in shapes.items():
        end = start + 2 * prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [start, end]}  # type: ignore[assignment]
        start = end
    encoded = json.dumps(header).encode()
    with file.open("wb") as stream:
        stream.write(len(encoded).to_bytes(8, "little") + encoded)
        stream.truncate(8 + len(encoded) + start)
    return file


def ldm_weights(folder: Path) -> dict[str, Tensor]:
    """By LDM's names, all weights of a folder that ``tests.tiny`` wrote."""
    unet, vae = _weights(folder / "unet"), _weights(folder / "vae")
    text = {name.removeprefix("text_model."): t for name, t in _weights(folder / "text_encoder").items()}
    named = ldm_unet(unet, _config(folder / "unet")) | ldm_vae(vae, "first_stage_model.")
    if (folder / "text_encoder_2").exists():
        second = _weights(folder / "text_encoder_2")
        named |= clip(text, "conditioner.embedders.0.transformer.text_model.")
        named |= open_clip(
            {name.removeprefix("text_model."): t for name, t in second.items()},
            "conditioner.embedders.1.model.",
        )
    elif _config(folder / "text_encoder")["num_hidden_layers"] == 23:
        named |= open_clip(text, "cond_stage_model.model.") | _unused_layer(text)
    else:
        named |= clip(text, "cond_stage_model.transformer.text_model.")
    return {name: tensor.contiguous() for name, tensor in named.items()}


def ldm_unet(weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    group = config["layers_per_block"] + 1  # blocks of one resolution: resnets, and the change to the next
    return {UNET + _unet_name(name, group, config): tensor for name, tensor in weights.items()}


def write_ldm_controlnet(folder: Path, file: Path, prefix: str = "control_model.") -> Path:
    """One file of the ControlNet in ``folder`` under LDM's names; returns ``file``."""
    config = _config(folder)
    named = {controlnet_name(name, config): tensor for name, tensor in _weights(folder).items()}
    save_file({prefix + name: tensor.contiguous() for name, tensor in named.items()}, file)
    return file


def controlnet_name(name: str, config: Mapping[str, Any]) -> str:
    hint = {"conv_in": 0, "conv_out": 14} | {f"blocks.{k}": 2 * k + 2 for k in range(6)}
    for ours, theirs in hint.items():
        if name.startswith(f"controlnet_cond_embedding.{ours}."):
            return f"input_hint_block.{theirs}.{name.rpartition('.')[2]}"
    name = re.sub(r"controlnet_down_blocks\.(\d+)\.", r"zero_convs.\1.0.", name)
    name = name.replace("controlnet_mid_block.", "middle_block_out.0.")
    if name.startswith(("zero_convs", "middle_block_out")):
        return name
    return _unet_name(name, config["layers_per_block"] + 1, config)


def _unet_name(name: str, group: int, config: Mapping[str, Any]) -> str:
    for ours, theirs in TOP.items():
        if name.startswith(f"{ours}."):
            return name.replace(ours, theirs)
    place, _, rest = name.partition("_block")
    if place == "mid":
        _, kind, number, rest = rest.split(".", 3)
        return f"middle_block.{1 if kind == 'attentions' else 2 * int(number)}.{_inner(kind, rest)}"
    _, block, kind, number, rest = rest.split(".", 4)
    if kind == "downsamplers":
        return f"input_blocks.{(int(block) + 1) * group}.0.{rest.replace('conv', 'op')}"
    if kind == "upsamplers":
        after = 2 if "CrossAttn" in config["up_block_types"][int(block)] else 1
        return f"output_blocks.{int(block) * group + group - 1}.{after}.{rest}"
    index = int(block) * group + int(number) + (place == "down")
    side = "input_blocks" if place == "down" else "output_blocks"
    return f"{side}.{index}.{1 if kind == 'attentions' else 0}.{_inner(kind, rest)}"


def _inner(kind: str, rest: str) -> str:
    if kind == "attentions":
        return rest
    layer, _, what = rest.partition(".")
    return f"{RESNET[layer]}.{what}"


def ldm_vae(weights: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    last = max(int(found[1]) for name in weights if (found := re.match(r"decoder\.up_blocks\.(\d)", name)))
    named = {}
    for name, tensor in weights.items():
        if ".attentions." in name:
            name = name.replace("mid_block.attentions.0", "mid.attn_1")
            for ours, theirs in ATTENTION.items():
                name = name.replace(f"{ours}.", f"{theirs}.")
            tensor = tensor[:, :, None, None] if tensor.ndim == 2 else tensor  # a convolution of one pixel
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
        name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
        name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
        name = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{last - int(m[1])}.block", name)
        name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{last - int(m[1])}.upsample", name)
        name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        named[prefix + name] = tensor
    return named


def clip(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """transformers' CLIP inside LDM; its counted positions were saved with it."""
    length = len(weights["embeddings.position_embedding.weight"])
    positions = {f"{prefix}embeddings.position_ids": torch.arange(length)[None]}
    return {prefix + name: tensor for name, tensor in weights.items()} | positions


def open_clip(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """OpenCLIP's: q, k and v in one, the projection the other way round, and a scale for pictures."""
    named = {"logit_scale": torch.tensor(4.6)}
    for name, tensor in weights.items():
        if joint := JOINT.fullmatch(name):
            if joint[2] == "q":
                three = [weights[f"{joint[1]}self_attn.{one}_proj.{joint[3]}"] for one in "qkv"]
                named[f"{_layer(joint[1])}attn.in_proj_{joint[3]}"] = torch.cat(three)
        elif name == "text_projection.weight":
            named["text_projection"] = tensor.T
        else:
            named[_open_clip_name(name)] = tensor
    return {prefix + name: tensor for name, tensor in named.items()}


def _layer(name: str) -> str:
    return name.replace("encoder.layers.", "transformer.resblocks.")


def _open_clip_name(name: str) -> str:
    name = name.replace("embeddings.token_embedding", "token_embedding")
    name = name.replace("embeddings.position_embedding.weight", "positional_embedding")
    name = name.replace("final_layer_norm", "ln_final")
    for ours, theirs in OPEN_CLIP.items():
        name = name.replace(ours, theirs)
    return _layer(name)


def _unused_layer(text: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Layer 24 of Stable Diffusion 2's encoder, and its projection: in the file, and not for pictures."""
    last = {
        name.replace(".22.", ".23."): torch.full_like(t, 9.0)
        for name, t in text.items()
        if ".layers.22." in name
    }
    width = len(text["final_layer_norm.weight"])
    return open_clip(last | {"text_projection.weight": torch.ones(width, width)}, "cond_stage_model.model.")


def _weights(folder: Path) -> dict[str, Tensor]:
    [file] = folder.glob("*.safetensors")
    return load_file(file)


def _config(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text())
