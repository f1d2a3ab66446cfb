"""A ControlNet: a copy of the U-Net's encoder that reads a map too, and steers the frozen U-Net by it."""

from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from PIL import Image
from torch import Tensor, nn

from adapters import PREPROCESSORS, preprocess
from adapters.controlnet import config_beside
from models import Parts
from training.data.buckets import bucket, fitted
from training.data.folder import ENDINGS, Example, Folder
from training.data.opened import Unusable, open_photograph, to_pixels
from training.tuning.denoising import Denoising
from training.tuning.material import Material, material, sizes_of
from training.tuning.tuning import At, Tuned, Tuning, TuningConfig

WIDTHS = {3: (16, 32, 96, 256), 4: (16, 32, 64, 96, 128)}  # of the layers that read a map, by halvings


class Steered(nn.Module):
    """The denoising loss of the frozen U-Net with a ControlNet's residuals (arXiv:2302.05543, eq. 5)."""

    def __init__(self, denoising: Denoising, control: ControlNetModel) -> None:
        super().__init__()
        self.control, self.denoising = control, denoising.requires_grad_(False)
        self.map: Tensor | None = None
        denoising.unet.register_forward_pre_hook(self._steer, with_kwargs=True)

    def forward(
        self, map: Tensor, x0: Tensor, context: Tensor, t: Tensor, noise: Tensor
    ) -> dict[str, Tensor]:
        """map (B, 3, H, W) in [0, 1]."""
        self.map = map
        try:
            return self.denoising(x0, context, t, noise)
        finally:
            self.map = None

    def _steer(self, module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if self.map is None:
            return args, named
        down, middle = self.control(
            *args, encoder_hidden_states=named["encoder_hidden_states"], controlnet_cond=self.map,
            return_dict=False,
        )  # fmt: skip
        gained = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        return args, named | gained


def begin(config: TuningConfig, parts: Parts, found: Folder, folder: Path) -> Generator[At, None, Tuned]:
    if (config.map is None) == (config.maps is None):
        raise ValueError("map, maps: got both or none; allowed: one of them.")
    among = sizes_of(config, parts)
    maps = yield from _maps(config, found, [bucket(one.size, among) for one in found.examples])
    dropout = 0.5 if config.dropout is None else config.dropout  # so that it reads the map (sec. 3.3)
    learnt = yield from material(config, parts, found, dropout, config.seed)
    control = copied(parts)
    module = Steered(Denoising(parts.unet, parts.parametrisation, config.min_snr), control)
    return Tuned(module, partial(_batch, learnt, maps), lambda: None, partial(_save, control))


def copied(parts: Parts) -> ControlNetModel:
    """As it begins: the U-Net's encoder, and layers between that give nothing (sec. 3.1)."""
    halvings = parts.scale_factor.bit_length() - 1
    if halvings not in WIDTHS:
        raise ValueError(f"model: got one of {parts.scale_factor} pixels a latent; allowed: 8 or 16.")
    unet: UNet2DConditionModel = parts.unet
    config = config_beside(ControlNetModel, parts) | {"conditioning_embedding_out_channels": WIDTHS[halvings]}
    control: ControlNetModel = ControlNetModel.from_config(config)  # pyright: ignore[reportAssignmentType]
    theirs = unet.state_dict()
    control.load_state_dict({k: theirs[k] for k in control.state_dict() if k in theirs}, strict=False)
    return control.requires_grad_(True)


def _maps(
    config: TuningConfig, found: Folder, buckets: Sequence[tuple[int, int]]
) -> Generator[At, None, list[Tensor]]:
    """(3, H, W) uint8 of each picture. Raises ``ValueError``."""
    if config.map is not None and config.map not in PREPROCESSORS:
        raise ValueError(f"map: got {config.map!r}; allowed: {', '.join(PREPROCESSORS)}.")
    made: list[Tensor] = []
    for one, size in zip(found.examples, buckets, strict=True):
        if config.map is not None:
            image = preprocess(fitted(open_photograph(one.file, found.root), size), config.map)
        else:
            image = fitted(_map(config.maps or Path(), one, found.root), size)
        made.append(to_pixels(image))
        yield At(len(made), len(buckets), "making the maps")
    return made


def _map(maps: Path, one: Example, root: Path) -> Image.Image:
    """Of the picture ``one``, the file of its name in ``maps``."""
    stem = maps / one.file.relative_to(root).with_suffix("")
    for ending in ENDINGS:
        if (file := stem.with_name(stem.name + ending)).exists():
            try:
                image = open_photograph(file, maps)
            except Unusable as reason:
                raise ValueError(f"maps: {file.name}: {reason}.") from None
            if abs(image.width * one.size[1] - image.height * one.size[0]) > max(one.size):
                got = f"{image.width} x {image.height}"
                raise ValueError(f"maps: {file.name} is {got}; allowed: the shape of its picture.")
            return image
    raise ValueError(
        f"maps: got {str(maps)!r}, which has none of {one.file.name}; allowed: one of each picture."
    )


def _batch(learnt: Material, maps: Sequence[Tensor], step: int, rank: int) -> tuple[Tensor, ...]:
    drawn = learnt.draw(step, rank)
    pairs = zip(drawn.rows, drawn.mirrored, strict=True)
    seen = torch.stack([maps[row].flip(-1) if mirrored else maps[row] for row, mirrored in pairs])
    return seen.float() / 255, drawn.x0, drawn.words, drawn.t, drawn.noise


def _save(control: ControlNetModel, out: Path) -> Path:
    """A folder in diffusers' layout."""
    control.save_pretrained(out / "controlnet", safe_serialization=True)
    return out / "controlnet"


CONTROLNET = Tuning(
    title="ControlNet",
    source="arXiv:2302.05543, eq. 5",
    explains="A copy of the U-Net's encoder learns to read a map of the picture, such as its edges, and to "
    "tell the frozen U-Net where things go. At the start it tells nothing. It wants thousands of pictures.",
    begin=begin,
    settings=("prompt", "map", "maps", "dropout", "flip"),
    plan={"learning_rate": 1e-4},
)
