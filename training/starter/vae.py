"""The starter's VAE: 128 x 128 RGB to 16 x 16 x 8 latents, trained on crops first and at full size last."""

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from PIL import Image
from torch import Tensor, nn

from training.data.scenes import SIDE, scene_at

KL_WEIGHT = 3e-4
LATENT_CHANNELS = 8


def build_vae() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,  # pyright: ignore[reportArgumentType]
        up_block_types=("UpDecoderBlock2D",) * 4,  # pyright: ignore[reportArgumentType]
        block_out_channels=(32, 64, 128, 128),  # pyright: ignore[reportArgumentType]
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
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
    """The evidence lower bound (arXiv:1312.6114) with an L1 + L2 + edge reconstruction term."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, pixels: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """pixels (B, 3, H, W) in [-1, 1], noise (B, C, H/8, W/8)."""
        posterior = self.vae.encode(pixels).latent_dist  # type: ignore[union-attr]
        latents = posterior.mean + posterior.std * noise
        losses = reconstruction_losses(self.vae.decode(latents).sample, pixels)  # type: ignore[union-attr]
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        return losses | {"loss": losses["loss"] + KL_WEIGHT * kl, "kl": kl}


class DecoderObjective(nn.Module):
    """The decoder alone, on fixed latents: what the U-Net learnt to draw stays what it was."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae
        self.vae.requires_grad_(False)
        self.vae.decoder.requires_grad_(True)
        self.vae.post_quant_conv.requires_grad_(True)  # pyright: ignore[reportOptionalMemberAccess]

    def forward(self, latents: Tensor, pixels: Tensor) -> dict[str, Tensor]:
        """latents (B, C, h, w) in the VAE's own scale, pixels (B, 3, H, W) in [-1, 1]."""
        return reconstruction_losses(self.vae.decode(latents).sample, pixels)  # type: ignore[union-attr]


def to_tensor(pixels: np.ndarray) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def to_grid(pixels: Tensor, columns: int) -> Image.Image:
    """(B, 3, H, W) in [-1, 1] -> one picture."""
    rows = pixels.float().clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    count, height, width, _ = rows.shape
    sheet = Image.new("RGB", (columns * width, -(-count // columns) * height))
    for k, row in enumerate(rows):
        sheet.paste(Image.fromarray(row), (k % columns * width, k // columns * height))
    return sheet


class VaeTask:
    """Crops of ``crop`` pixels until ``full_from`` steps, whole scenes (fewer at a time) after."""

    def __init__(self, seed: int, batch: int, crop: int, full_from: int) -> None:
        self.module = VaeObjective(build_vae())
        self.seed, self.size, self.crop, self.full_from = seed, batch, crop, full_from
        self._shown = np.stack([scene_at(k, seed + 1)[1] for k in range(12)])

    def batch(self, step: int, rank: int) -> tuple[Tensor, ...]:
        crop = self.crop if step < self.full_from else SIDE
        count = self.size * self.crop**2 // crop**2
        rng = np.random.default_rng((self.seed, step, rank))
        pixels = np.empty((count, crop, crop, 3), np.uint8)
        for k in range(count):
            scene = scene_at(int(rng.integers(2**40)), self.seed)[1]
            top, left = rng.integers(0, SIDE - crop + 1, 2)
            pixels[k] = scene[top : top + crop, left : left + crop]
        generator = torch.Generator().manual_seed(int(rng.integers(2**40)))
        noise = torch.randn(count, LATENT_CHANNELS, crop // 8, crop // 8, generator=generator)
        return to_tensor(pixels), noise

    def sample(self) -> Image.Image:
        """Twelve scenes that are never trained on above their reconstructions."""
        pixels = to_tensor(self._shown).to(next(self.module.parameters()).device)
        decoded = self.module.vae.decode(self.module.vae.encode(pixels).latent_dist.mean).sample  # type: ignore
        return to_grid(torch.cat([pixels, decoded.float()]), 12)
