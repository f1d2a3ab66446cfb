"""The small networks that families share: diffusers' U-Net, tiny, and plain convolutions. Knows no losses."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.torchvision_guard import guard_torchvision
from training.families.family import Shape

PATCHED = 32  # from this side on the U-Net sees squares of 2 x 2 pixels as one: a quarter of the work
GROUPS = 8


class Denoiser(nn.Module):
    """UNet2DModel that is told how noisy its picture is, and of which kind it is (or ``classes``: none)."""

    def __init__(self, channels: int, side: int, classes: int) -> None:
        super().__init__()
        self.patch = 2 if side >= PATCHED else 1
        side, channels = side // self.patch, channels * self.patch**2
        widths = {2: (64,), 4: (64, 64), 8: (32, 64), 16: (32, 64, 64)}.get(side, (32, 64, 64))
        plain = len(widths) - 1
        guard_torchvision()
        from diffusers.models.unets.unet_2d import UNet2DModel  # seconds, and only for who trains

        self.unet = UNet2DModel(
            sample_size=side, in_channels=channels, out_channels=channels, block_out_channels=widths,
            down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",),
            up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * plain,
            layers_per_block=1, norm_num_groups=GROUPS, attention_head_dim=16, num_class_embeds=classes + 1,
        )  # fmt: skip

    def forward(self, x: Tensor, told: Tensor, label: Tensor) -> Tensor:
        """x (B, C, H, W), told (B,) any number, label (B,) int64 -> (B, C, H, W)."""
        small = functional.pixel_unshuffle(x, self.patch)
        return functional.pixel_shuffle(self.unet(small, told, class_labels=label).sample, self.patch).float()


class Residual(nn.Module):
    """x + f(x) of two 3 x 3 convolutions; no normalisation, so that no row sees another (1603.05027)."""

    def __init__(self, width: int, groups: int = 0) -> None:
        super().__init__()
        norm = [nn.GroupNorm(groups, width) if groups else nn.Identity() for _ in range(2)]
        self.body = nn.Sequential(
            norm[0], nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
            norm[1], nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Down(nn.Module):
    """(B, channels, side, side) -> (B, width, side / 2^times, side / 2^times)."""

    def __init__(self, channels: int, width: int, times: int, groups: int = GROUPS) -> None:
        super().__init__()
        halvings = [
            layer
            for _ in range(times)
            for layer in (nn.Conv2d(width, width, 4, stride=2, padding=1), Residual(width, groups))
        ]
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), Residual(width, groups), *halvings
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Up(nn.Module):
    """(B, width, side, side) -> (B, channels, side 2^times, side 2^times)."""

    def __init__(self, width: int, channels: int, times: int, groups: int = GROUPS) -> None:
        super().__init__()
        doublings = [
            layer
            for _ in range(times)
            for layer in (nn.ConvTranspose2d(width, width, 4, stride=2, padding=1), Residual(width, groups))
        ]
        self.body = nn.Sequential(
            Residual(width, groups), *doublings, nn.SiLU(), nn.Conv2d(width, channels, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def seen_in_squares(shape: Shape, width: int) -> Iterator[nn.Module]:
    """Layers from pictures (B, C, side, side) to (B, width, 4, 4), without normalisation; large ones are
    seen in squares of 2 x 2 pixels, as by ``Denoiser``."""
    patch = 2 if shape.side >= PATCHED else 1
    yield nn.PixelUnshuffle(patch)
    yield Down(shape.channels * patch**2, width, halvings(shape.side // patch, 4), groups=0)


def drawn_in_squares(shape: Shape, width: int) -> Iterator[nn.Module]:
    """The other way, with normalisation."""
    patch = 2 if shape.side >= PATCHED else 1
    yield Up(width, shape.channels * patch**2, halvings(shape.side // patch, 4))
    yield nn.PixelShuffle(patch)


def halvings(side: int, to: int) -> int:
    """How often ``side`` is halved until it is ``to``. Raises ``ValueError`` where that does not come out."""
    times = (side // to).bit_length() - 1
    if to << times != side:
        raise ValueError(f"side: got {side}; allowed: {to} times a power of two.")
    return times


def eight_bit(x: Tensor) -> Tensor:
    """[-1, 1] -> the whole numbers 0 to 255 that they stand for."""
    return ((x + 1) * 127.5).round().clamp(0, 255)


def dequantised(x: Tensor, chance: Tensor) -> Tensor:
    """Pictures of eight bits as a density sees them: value v becomes uniform in [v, v + 1) / 128 - 1
    (arXiv:1511.01844, sec. 3.1). ``chance`` is uniform, like x. A density's bits a dimension are then at
    least 7 more than its logarithm's: log2 of 128."""
    return (eight_bit(x) + chance) / 128 - 1


def bits(log_density: Tensor, x: Tensor) -> Tensor:
    """Bits a dimension (B,) of ``dequantised`` pictures x, from the logarithm (B,) of their density."""
    return 7 - log_density / (x[0].numel() * torch.log(torch.tensor(2.0)))


def frozen(module: nn.Module) -> dict[str, Tensor]:
    """Its parameters and buffers, out of reach of gradients, for ``torch.func.functional_call``."""
    return {name: value.detach() for name, value in module.state_dict(keep_vars=True).items()}
