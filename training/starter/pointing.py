"""Attention that begins at its own patch: the U-Net's first look at what the encoder expects of a scene.

The encoder's last states tell the scene to expect patch by patch. Attention that begins uniform learns to
look there only after thousands of steps, or never; one head of the last layers with as many places as there
are patches is therefore fitted, before training, to find the state of its own patch. Training may move it.
"""

from functools import partial
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel

from training.starter.cache import Cache
from training.starter.text import PATCHES

SCENES, STEPS, BATCH = 512, 250, 32


def point(unet: UNet2DConditionModel, encoder: CLIPTextModel, cache: Cache, kept: Tensor, seed: int) -> float:
    """Fit the queries and keys of the first head of each attention to the text in the last up block that has
    ``PATCHES`` places. ``kept`` (T,) are the schedule's alpha^2.

    Returns the share of places that then look at their own patch most.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(cache.latents), (SCENES,), generator=generator)
    t = torch.randint(len(kept) // 5, len(kept), (SCENES,), generator=generator)
    x0, share = cache.latents[rows].float(), kept[t][:, None, None, None]
    x = share.sqrt() * x0 + (1 - share).sqrt() * torch.randn(x0.shape, generator=generator)
    with torch.no_grad():
        states = torch.cat([encoder(part).last_hidden_state for part in cache.tokens[rows, 0].split(64)])
    right = [_fit(layer, places, states, generator) for layer, places in _seen(unet, x, t, states)]
    return min(right)


def _seen(unet: UNet2DConditionModel, x: Tensor, t: Tensor, states: Tensor) -> list[tuple[Attention, Tensor]]:
    """The layers to fit, and what their queries are made from: (SCENES, PATCHES, width) each."""
    layers = [
        module for block in unet.up_blocks for name, module in block.named_modules()
        if name.endswith("attn2") and isinstance(module, Attention)
    ]  # fmt: skip
    found: dict[Attention, list[Tensor]] = {layer: [] for layer in layers}
    hooks = [
        layer.register_forward_pre_hook(partial(_note, places), with_kwargs=True)
        for layer, places in found.items()
    ]
    with torch.no_grad():
        for part in torch.arange(len(x)).split(64):
            unet(x[part], t[part], states[part])
    for hook in hooks:
        hook.remove()
    whole = [(layer, torch.cat(places)) for layer, places in found.items()]
    return [(layer, places) for layer, places in whole if places.shape[1] == PATCHES]


def _note(places: list[Tensor], layer: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Any]) -> None:
    places.append(inputs[0])


def _fit(layer: Attention, places: Tensor, states: Tensor, generator: torch.Generator) -> float:
    """By the cross-entropy of where each place looks; the last eighth of the scenes is for measuring."""
    assert layer.to_k is not None
    size = layer.to_q.weight.shape[0] // layer.heads
    to_q = nn.Parameter(layer.to_q.weight[:size].detach().clone())
    to_k = nn.Parameter(layer.to_k.weight[:size].detach().clone())
    optimiser = torch.optim.Adam([to_q, to_k], lr=5e-3)
    own = torch.arange(PATCHES) + states.shape[1] - PATCHES
    learnt = len(places) * 7 // 8

    def looks(which: Tensor) -> Tensor:
        return (places[which] @ to_q.T) @ (states[which] @ to_k.T).mT * size**-0.5  # (B, PATCHES, L)

    for _ in range(STEPS):
        which = torch.randint(learnt, (BATCH,), generator=generator)
        loss = nn.functional.cross_entropy(looks(which).flatten(0, 1), own.repeat(BATCH))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        layer.to_q.weight[:size], layer.to_k.weight[:size] = to_q, to_k
        return float((looks(torch.arange(learnt, len(places))).argmax(-1) == own).float().mean())
