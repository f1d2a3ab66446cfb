"""Adapters at work: for the length of a call, row by row, without touching a weight. Knows no files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from adapters.lora import Lora


class Use(NamedTuple):
    """A LoRA and how strongly it is used."""

    lora: Lora
    weight: float
    unet: float | None = None  # in the U-Net; as ``weight`` if None

    def on(self, component: str) -> float:
        """How strongly in that network."""
        return self.weight if self.unet is None or component != "unet" else self.unet


Uses = tuple[Use, ...]


@contextmanager
def attached(network: nn.Module, component: str, rows: Sequence[Uses]) -> Iterator[None]:
    """Inside, row i of every call of ``network`` is answered with ``rows[i]``; every row, if they are one.

    Nothing is merged: what a module gives gains what each LoRA adds. Outside, the network is as it was, bit
    for bit.
    """
    loras = dict.fromkeys(use.lora for uses in rows for use in uses if use.on(component))
    device: Any = next(network.parameters()).device
    hooks = []
    try:
        for lora in loras:
            weights = torch.tensor(
                [sum(u.on(component) for u in uses if u.lora is lora) for uses in rows], device=device
            )
            for path, patch in lora.patches.get(component, {}).items():
                hooks.append(network.get_submodule(path).register_forward_hook(_adding(patch.add, weights)))
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _adding(add: Callable[[nn.Module, Tensor], Tensor], weights: Tensor) -> Callable[..., Tensor]:
    """A hook that adds ``weights[i]`` times the change to row i; only the rows that have one are computed."""
    which = weights.nonzero().flatten()

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if len(which) == len(weights):
            return output + _shaped(weights, output) * add(module, inputs[0]).to(output)
        gained = add(module, inputs[0][which]).to(output)
        return output.index_add(0, which, _shaped(weights[which], gained) * gained)

    return hook


def _shaped(weights: Tensor, like: Tensor) -> Tensor:
    return weights.to(like.dtype).view(-1, *(1,) * (like.dim() - 1))
