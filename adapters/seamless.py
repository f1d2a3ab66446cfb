"""Networks whose pictures continue at the opposite edge, as patterns do. No weight is touched."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


@contextmanager
def seamless(axes: str, *networks: nn.Module) -> Iterator[None]:
    """Inside, every convolution of ``networks`` sees the opposite edge beyond an edge, along ``axes`` (of
    ``pipelines.edit.SEAMLESS``), where it else sees zeros. Outside, they are as they were, bit for bit.

    All rows of a call share it, so only those that want the same may share one.
    """
    if axes == "none":
        yield
        return
    with ExitStack() as stack:
        for module in dict.fromkeys(module for network in networks for module in network.modules()):
            if isinstance(module, nn.Conv2d) and not isinstance(module.padding, str) and any(module.padding):
                stack.enter_context(_round(module, axes))
        yield


@contextmanager
def _round(conv: nn.Conv2d, axes: str) -> Iterator[None]:
    before = conv.padding
    down, right = (int(side) for side in before)
    y, x = (down if axes in ("y", "both") else 0), (right if axes in ("x", "both") else 0)

    def wrap(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (_wrapped(inputs[0], y, x), *inputs[1:])

    hook = conv.register_forward_pre_hook(wrap)
    conv.padding = (down - y, right - x)
    try:
        yield
    finally:
        conv.padding = before
        hook.remove()


def _wrapped(values: Tensor, y: int, x: int) -> Tensor:
    """(B, C, h, w) with ``y`` rows and ``x`` columns of the other side on each; of less than that, several
    times."""
    height, width = values.shape[-2:]
    if y <= height and x <= width:
        return pad(values, (x, x, y, y), mode="circular")
    rows = torch.arange(-y, height + y, device=values.device) % height
    columns = torch.arange(-x, width + x, device=values.device) % width
    return values[:, :, rows][:, :, :, columns]
