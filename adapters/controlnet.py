"""ControlNets (arXiv:2302.05543): a picture that steers the U-Net, row by row, without touching a weight.

A ControlNet reads what the U-Net reads, and a picture, and answers with residuals that are added to what the
U-Net's encoder hands to its decoder. Knows no recipes and no files of pictures.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from itertools import takewhile
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from adapters.control_lora import MARK, whole
from models import ModelError, Parts
from models.checkpoint import from_checkpoint
from models.header import Header, read_header
from models.networks import empty, fill, folder_of, from_folder

SOFT = 0.825  # by which the residual of each finer layer counts less, as AUTOMATIC1111's "my prompt" has it
LAYERS = 13  # residuals of Stable Diffusion 1.x and 2.x; SDXL's ten are weighed as their first ten
MARKS = {"control_model.": "control_model.", "input_hint_block.": "", "controlnet_cond_embedding.": ""}
OTHERS = {  # a name begins so -> what the file is
    "task_embedding": "a union of several ControlNets",
    "control_add_embedding": "a union of several ControlNets",
    "adapter.": "a T2I-Adapter",
    "lllite_": "a ControlNet-LLLite",
    "lora_": "a LoRA",
    "model.diffusion_model.": "a whole checkpoint",
}


@dataclass(frozen=True, eq=False)
class ControlNet:
    """A loaded ControlNet of one model's shape."""

    name: str
    network: Any  # diffusers' ControlNetModel
    pooled: bool = False  # whether only the mean of each residual counts, as in the one for shuffled pictures

    @property
    def layers(self) -> int:
        """How many residuals it gives, the middle one included."""
        return len(self.network.controlnet_down_blocks) + 1

    def hint(self, picture: Tensor, weight: float, soft: bool) -> "Hint":
        """To follow ``picture`` (3, H, W) in [0, 1]; ``soft`` weighs layer i by 0.825 ** (12 - i)."""
        scale = [SOFT ** (LAYERS - 1 - i) if soft else 1.0 for i in range(self.layers)]
        return Hint(self, picture, tuple(weight * one for one in scale))


class Hint(NamedTuple):
    """A ControlNet, the picture that it follows, and how much each of its residuals counts."""

    net: ControlNet
    picture: Tensor  # (3, H, W) in [0, 1], of the drawing's size
    weights: tuple[float, ...]  # from the finest layer to the middle


Hints: TypeAlias = tuple[Hint, ...]


@contextmanager
def hinted(unet: Any, rows: Sequence[Hints]) -> Iterator[None]:
    """Inside, row i of the next calls of ``unet`` (diffusers' UNet2DConditionModel) follows ``rows[i]``.

    Rows that follow nothing gain exact zeros. Outside, the network is as it was, bit for bit.
    """
    if not any(rows):
        yield
        return

    def answer(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        x, times, *_ = args
        context, added = kwargs["encoder_hidden_states"], kwargs["added_cond_kwargs"]
        *down, middle = _residuals(rows, x, times, context, added)
        gained = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        return args, kwargs | gained

    hook = unet.register_forward_pre_hook(answer, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


def _residuals(
    rows: Sequence[Hints], x: Tensor, times: Tensor, context: Tensor, added: dict[str, Tensor] | None
) -> list[Tensor]:
    """(B, C, h, w) of each layer, the middle one last: the sum over a row's hints. One call a ControlNet."""
    total: list[Tensor] = []
    for net in dict.fromkeys(hint.net for hints in rows for hint in hints):
        pairs = [(i, hint) for i, hints in enumerate(rows) for hint in hints if hint.net is net]
        which = torch.tensor([i for i, _ in pairs], device=x.device)
        down, middle = net.network(
            x[which, : net.network.config.in_channels],
            times[which],
            encoder_hidden_states=context[which],
            controlnet_cond=torch.stack([hint.picture for _, hint in pairs]).to(x),
            added_cond_kwargs={name: value[which] for name, value in added.items()} if added else None,
            return_dict=False,
        )
        weights = torch.tensor([hint.weights for _, hint in pairs], dtype=x.dtype, device=x.device)
        gained = [each * w.view(-1, 1, 1, 1) for each, w in zip((*down, middle), weights.T, strict=True)]
        if net.pooled:
            gained = [each.mean((2, 3), keepdim=True).expand_as(each) for each in gained]
        if not total:
            total = [each.new_zeros(len(x), *each.shape[1:]) for each in gained]
        total = [sum_.index_add(0, which, each) for sum_, each in zip(total, gained, strict=True)]
    return total


def load_controlnet(file: Path, parts: Parts) -> ControlNet:
    """The ControlNet of a safetensors file for the model ``parts``: under LDM's names, or diffusers'.

    A file with a ``config.json`` beside it is a folder in diffusers' layout. Raises ``ModelError`` where it
    is unsound or made for another model.
    """
    from diffusers.models.controlnets.controlnet import ControlNetModel

    if (folder := folder_of(file)) is not None:
        name = folder.name
        network = from_folder(ControlNetModel, folder, parts.dtype)
    else:
        name = file.stem
        header = read_header(file)
        if header.has(MARK):
            network = _from_control_lora(ControlNetModel, header, parts)
        else:
            prefix = _prefix(header, name)
            _check_width(_width(header), name, parts)
            config = config_beside(ControlNetModel, parts) | _map_widths(header, prefix)
            network = from_checkpoint(ControlNetModel, header, "controlnet", config, parts.dtype, prefix)
    _check_fit(network.config, name, parts)
    # The one for shuffled pictures; a single file does not say so but by its name, as in AUTOMATIC1111.
    pooled = network.config.global_pool_conditions or "shuffle" in name.lower()
    network.register_to_config(global_pool_conditions=False)  # pooled here, where its size is known
    return ControlNet(name, network.to(parts.device, memory_format=torch.channels_last), pooled)


def _from_control_lora(kind: Any, header: Header, parts: Parts) -> Any:
    """A ControlNet of class ``kind``, as the changes in the file make it of the U-Net of ``parts``."""
    from safetensors.torch import load_file

    what = f"Control-LoRA {header.file.stem!r}"
    network = empty(kind, config_beside(kind, parts) | _map_widths(header, ""))
    most = 2 * sum(tensor.numel() for tensor in network.state_dict().values())
    if (got := sum(map(prod, header.shapes.values()))) > most:
        raise ModelError(f"{what} has {got} numbers; allowed with model {parts.name!r}: at most {most}.")
    return fill(network, whole(load_file(header.file), network, parts.unet, what), parts.dtype, what)


def _map_widths(header: Header, prefix: str) -> dict[str, Any]:
    """The widths of the layers that read the picture, where the file tells them."""
    for first, others in (("controlnet_cond_embedding.conv_in", "controlnet_cond_embedding.blocks.{}"),
                          ("input_hint_block.0", "input_hint_block.{}")):  # fmt: skip
        names = [first, *(others.format(2 * k + 1 if "blocks" in others else 4 * k + 4) for k in range(8))]
        shapes = [header.shapes.get(f"{prefix}{name}.weight") for name in names]
        if widths := tuple(shape[0] for shape in takewhile(bool, shapes) if shape):
            return {"conditioning_embedding_out_channels": widths}
    return {}


def _prefix(header: Header, name: str) -> str:
    """What the names of its weights begin with before those of LDM or diffusers."""
    for beginning, what in OTHERS.items():
        if header.has(beginning) and not header.has("control_model."):
            raise ModelError(f"ControlNet {name!r} is {what}; allowed: a ControlNet.")
    for mark, prefix in MARKS.items():
        if header.has(mark):
            return prefix
    raise ModelError(f"ControlNet {name!r} has no weights of one; allowed: LDM's names or diffusers'.")


def _width(header: Header) -> int | None:
    """Of the text that its attention reads."""
    widths = {shape[1] for name, shape in header.shapes.items()
              if name.endswith("attn2.to_k.weight") and len(shape) == 2
              and not name.startswith("model.diffusion_model.")}  # fmt: skip
    return widths.pop() if len(widths) == 1 else None


def config_beside(kind: Any, parts: Parts) -> dict[str, Any]:
    """That of a ControlNet beside the U-Net of ``parts``, of which it begins as a copy (sec. 3.1)."""
    known = signature(kind.__init__).parameters
    config = {name: value for name, value in parts.unet.config.items() if name in known}
    return config | {"in_channels": parts.latent_channels}


def _check_width(width: int | None, name: str, parts: Parts) -> None:
    theirs = parts.unet.config.cross_attention_dim
    if width is not None and width != theirs:
        raise ModelError(
            f"ControlNet {name!r} reads texts of width {width}, as another family does; allowed with model "
            f"{parts.name!r}: {theirs}."
        )


def _check_fit(config: Any, name: str, parts: Parts) -> None:
    """Whether its residuals have a place in the U-Net, and its picture the size of the drawing."""
    _check_width(config.cross_attention_dim, name, parts)
    unet = parts.unet.config
    wanted = {
        "in_channels": parts.latent_channels,
        "block_out_channels": tuple(unet.block_out_channels),
        "layers_per_block": unet.layers_per_block,
        "addition_embed_type": unet.addition_embed_type,
        "conditioning_channels": 3,
    }
    for key, value in wanted.items():
        got = tuple(config[key]) if isinstance(config[key], list) else config[key]
        if got != value:
            allowed = f"allowed with model {parts.name!r}: {value}"
            raise ModelError(f"ControlNet {name!r} has {key} {got}; {allowed}.")
    scale = 2 ** (len(config.conditioning_embedding_out_channels) - 1)
    if scale != parts.scale_factor:
        raise ModelError(
            f"ControlNet {name!r} has a latent for every {scale} pixels; allowed: {parts.scale_factor}."
        )
