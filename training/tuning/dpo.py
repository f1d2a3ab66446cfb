"""Diffusion-DPO: from pairs of pictures, the model learns which somebody liked better."""

from collections.abc import Generator
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from models import Parts
from training.data.folder import Folder
from training.data.pairs import read_pairs
from training.tuning.denoising import Denoising
from training.tuning.drawing import shown
from training.tuning.low_rank import add_low_rank, save_low_rank
from training.tuning.material import Material, coded, material, pictures_of, sides_of, sizes_of
from training.tuning.tuning import At, Tuned, Tuning, TuningConfig


def preference_loss(
    chosen: Tensor, chosen_before: Tensor, rejected: Tensor, rejected_before: Tensor, beta: float
) -> Tensor:
    """-log sigmoid(-beta T omega ((e_w - e_w,ref) - (e_l - e_l,ref))), the mean (arXiv:2311.12908, eq. 14).

    Each (B,): the denoising error of the chosen or rejected picture, now and by the reference. ``beta`` here
    is the paper's beta T omega, and errors are means over a latent, as in its released code, not sums.
    """
    return -F.logsigmoid(-beta * ((chosen - chosen_before) - (rejected - rejected_before))).mean()


class Preferring(nn.Module):
    """The reference is the U-Net without its LoRA."""

    def __init__(self, denoising: Denoising, unet: UNet2DConditionModel, beta: float) -> None:
        super().__init__()
        self.denoising, self.beta = denoising, beta
        self.unet = unet

    def forward(
        self, chosen: Tensor, rejected: Tensor, context: Tensor, t: Tensor, noise: Tensor
    ) -> dict[str, Tensor]:
        """chosen, rejected, noise (B, C, h, w): both pictures at the same level with the same noise."""
        both = torch.cat([chosen, rejected]), *(torch.cat([one, one]) for one in (context, t, noise))
        self.unet.disable_adapters()
        try:
            with torch.no_grad():
                before = self.denoising.errors(*both)
        finally:
            self.unet.enable_adapters()
        now = self.denoising.errors(*both)
        (w, l), (w_ref, l_ref) = now.chunk(2), before.chunk(2)  # noqa: E741
        right = ((w - w_ref) < (l - l_ref)).float().mean()
        return {"loss": preference_loss(w, w_ref, l, l_ref, self.beta), "preferred": right}


def begin(config: TuningConfig, parts: Parts, found: Folder, folder: Path) -> Generator[At, None, Tuned]:
    dropout = 0.0 if config.dropout is None else config.dropout
    learnt = yield from material(config, parts, found, dropout, config.seed)
    images = pictures_of(found.against, found.root, sizes_of(config, parts))
    others = yield from coded(parts, images, len(found.against), config.flip)
    add_low_rank(parts.unet, config)
    denoising = Denoising(parts.unet, parts.parametrisation, config.min_snr)
    return Tuned(
        Preferring(denoising, parts.unet, config.beta),
        partial(_batch, learnt, others),
        partial(shown, parts, config.samples, sides_of(config, parts)),
        lambda out: save_low_rank(parts.unet, config, out / "lora.safetensors", config.folder.name),
    )


def _batch(learnt: Material, others: list[Tensor], step: int, rank: int) -> tuple[Tensor, ...]:
    drawn = learnt.draw(step, rank)
    rejected = [others[row][mirrored] for row, mirrored in zip(drawn.rows, drawn.mirrored, strict=True)]
    return drawn.x0, torch.stack(rejected).float(), drawn.words, drawn.t, drawn.noise


DPO = Tuning(
    title="Preference tuning (Diffusion-DPO)",
    source="arXiv:2311.12908, eq. 14",
    explains="Of two pictures of one prompt somebody chose one. A LoRA learns to make that one likelier "
    "than the other, measured against the model as it was, from which beta keeps it from straying.",
    begin=begin,
    settings=("rank", "layers", "beta", "dropout", "flip"),
    plan={"learning_rate": 1e-4},
    read=read_pairs,
)
