"""Frozen layers whose weights are kept in 8 or 4 bits and unpacked for each use (QLoRA, arXiv:2305.14314).

Written out, as bitsandbytes has no convolutions.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

BLOCK = 64  # weights that share a scale in 4 bits (sec. 3)
NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
)  # fmt: skip
"""NormalFloat's values (app. E): quantiles of a normal distribution, scaled to [-1, 1]."""


def pack8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(codes int8 of the weight's shape, scales (out,)): each output at its largest weight's scale."""
    scales = weight.flatten(1).abs().amax(1).clamp_min(1e-12) / 127
    rows = scales.view(-1, *(1,) * (weight.dim() - 1))
    return (weight / rows).round().to(torch.int8), scales


def unpack8(codes: Tensor, scales: Tensor) -> Tensor:
    return codes * scales.view(-1, *(1,) * (codes.dim() - 1))


def pack4(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(codes (N / 2,) uint8, two in each; scales (N / 64,)), N the weights, filled up to whole blocks."""
    flat = F.pad(weight.flatten(), (0, -weight.numel() % BLOCK)).view(-1, BLOCK)
    scales = flat.abs().amax(1).clamp_min(1e-12)
    values = torch.tensor(NF4, device=weight.device)
    codes = torch.bucketize(flat / scales[:, None], (values[1:] + values[:-1]) / 2).to(torch.uint8)
    high, low = codes.view(-1, 2).T
    return high << 4 | low, scales


def unpack4(codes: Tensor, scales: Tensor, shape: torch.Size) -> Tensor:
    values = torch.tensor(NF4, device=codes.device)
    found = values[torch.stack([codes >> 4, codes & 15], 1).long()]  # (N / 2, 2)
    return (found.view(-1, BLOCK) * scales[:, None]).flatten()[: shape.numel()].view(shape)


class Packed(nn.Module):
    """A Linear or Conv2d that does not learn, in 8 or 4 bits."""

    def __init__(self, layer: nn.Linear | nn.Conv2d, bits: int) -> None:
        super().__init__()
        weight = layer.weight.detach().float().contiguous()
        self.shape, self.bits, self.bias = weight.shape, bits, layer.bias
        self.how: dict[str, Any] | None = None  # of a convolution
        if isinstance(layer, nn.Conv2d):
            assert not isinstance(layer.padding, str) and layer.padding_mode == "zeros"
            self.how = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation,
                        "groups": layer.groups}  # fmt: skip
        codes, scales = pack4(weight) if bits == 4 else pack8(weight)
        self.register_buffer("codes", codes)
        self.register_buffer("scales", scales)
        self.codes: Tensor
        self.scales: Tensor

    def weight(self) -> Tensor:
        """Unpacked, float32."""
        if self.bits == 4:
            return unpack4(self.codes, self.scales, self.shape)
        return unpack8(self.codes, self.scales)

    def forward(self, x: Tensor) -> Tensor:
        return _Through.apply(x, self)  # pyright: ignore[reportReturnType]


class _Through(torch.autograd.Function):
    """The layer's product, whose gradient unpacks the weights anew instead of keeping them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Packed) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.layer, ctx.shape, ctx.dtype = layer, x.shape, x.dtype
        weight = layer.weight().to(x.dtype)
        bias = layer.bias.to(x.dtype) if layer.bias is not None else None
        return F.linear(x, weight, bias) if layer.how is None else F.conv2d(x, weight, bias, **layer.how)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        weight = ctx.layer.weight().to(gradient.dtype)
        if ctx.layer.how is None:
            return (gradient @ weight).to(ctx.dtype), None
        return conv2d_input(ctx.shape, weight, gradient, **ctx.layer.how).to(ctx.dtype), None


def quantise(network: nn.Module, within: tuple[str, ...], bits: int) -> None:
    """Pack every Linear and Conv2d of ``network`` below the modules ``within`` that does not learn."""
    for path, layer in list(network.named_modules()):
        below = path.startswith(within)
        if below and isinstance(layer, nn.Linear | nn.Conv2d) and not layer.weight.requires_grad:
            parent, _, name = path.rpartition(".")
            setattr(network.get_submodule(parent), name, Packed(layer, bits))


def bytes_of(network: nn.Module) -> int:
    """That its weights take."""
    return sum(t.numel() * t.element_size() for t in (*network.parameters(), *network.buffers()))
