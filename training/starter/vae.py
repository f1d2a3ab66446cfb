"""The starter's VAE: 128 x 128 RGB to 8 x 8 x 32 latents, trained on crops first and at full size last."""

import math

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from PIL import Image
from torch import Tensor, nn

from training.data.scenes import SIDE, scene_at
from training.starter.codes import CHANNELS, PIXELS, Codes, codes, to_grid, to_tensor

NOISE = 0.05  # deviation; that of a code is 1 in the mean
ENCODER_WEIGHT = 4.0


def build_vae() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 5,  # pyright: ignore[reportArgumentType]
        up_block_types=("UpDecoderBlock2D",) * 5,  # pyright: ignore[reportArgumentType]
        block_out_channels=(32, 64, 128, 128, 128),  # pyright: ignore[reportArgumentType]
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=SIDE,
    )


def reconstruction_losses(decoded: Tensor, pixels: Tensor) -> dict[str, Tensor]:
    """L1, squared and edge error of (B, 3, H, W) in [-1, 1], and their sum as weighted in training."""
    error = decoded.float() - pixels
    l1, l2 = error.abs().mean(), error.square().mean()
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    return {"loss": l1 + 4 * l2 + 0.5 * edges, "l1": l1, "l2": l2}


class VaeObjective(nn.Module):
    """The encoder learns to compute the codes of a picture, the decoder to see what they leave out.

    The decoder never waits for the encoder: it is shown the codes themselves, blurred by ``NOISE`` because a
    U-Net will not draw them exactly.
    """

    def __init__(self, vae: AutoencoderKL, codes: Codes) -> None:
        super().__init__()
        self.vae = vae
        self.codes = codes

    def forward(self, pixels: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """pixels (B, 3, H, W) in [-1, 1], noise (B, C, H/16, W/16)."""
        wanted = self.codes.encode(pixels)
        posterior = self.vae.encode(pixels).latent_dist  # type: ignore[union-attr]
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        losses = reconstruction_losses(self.vae.decode(wanted + NOISE * noise).sample, pixels)  # type: ignore[union-attr]
        off = (mean - wanted).square().mean()
        spread = (logvar - 2 * math.log(NOISE)).square().mean()  # the encoder's own deviation is NOISE
        return losses | {"loss": losses["loss"] + ENCODER_WEIGHT * off + 1e-3 * spread, "encoder": off}


class VaeTask:
    """Crops of ``crop`` pixels, cut on the latents' grid, until ``full_from`` steps; whole scenes (fewer at a
    time) after."""

    def __init__(self, vae: AutoencoderKL, seed: int, batch: int, crop: int, full_from: int) -> None:
        self.module = VaeObjective(vae, codes(seed))
        self.seed, self.size, self.crop, self.full_from = seed, batch, crop, full_from
        self._shown = np.stack([scene_at(k, seed + 1)[1] for k in range(12)])

    def batch(self, step: int, rank: int) -> tuple[Tensor, ...]:
        crop = self.crop if step < self.full_from else SIDE
        count = self.size * self.crop**2 // crop**2
        rng = np.random.default_rng((self.seed, step, rank))
        pixels = np.empty((count, crop, crop, 3), np.uint8)
        for k in range(count):
            scene = scene_at(int(rng.integers(2**40)), self.seed)[1]
            top, left = PIXELS * rng.integers(0, (SIDE - crop) // PIXELS + 1, 2)
            pixels[k] = scene[top : top + crop, left : left + crop]
        generator = torch.Generator().manual_seed(int(rng.integers(2**40)))
        noise = torch.randn(count, CHANNELS, crop // PIXELS, crop // PIXELS, generator=generator)
        return to_tensor(pixels), noise

    def sample(self) -> Image.Image:
        """Twelve scenes that are never trained on above their reconstructions."""
        pixels = to_tensor(self._shown).to(next(self.module.parameters()).device)
        decoded = self.module.vae.decode(self.module.vae.encode(pixels).latent_dist.mean).sample  # type: ignore
        return to_grid(torch.cat([pixels, decoded.float()]), 12)
