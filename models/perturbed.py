"""Self-attention that can be perturbed row by row: what PAG and SEG guide away from. Knows no guidance."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from schedulers.network import Network

Rows = Mapping[Network, Tensor]
"""Which rows of a call are to be answered by which perturbed network: indices (n,)."""


class RowwiseAttention:
    """A diffusers attention processor: ``plain``, but for the rows that ask for a perturbed one."""

    def __init__(self, plain: Callable[..., Tensor], perturbed: bool) -> None:
        self.plain = plain
        self.perturbed = perturbed

    def __call__(
        self,
        attn: Any,  # diffusers' Attention
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        rows: Rows | None = None,
    ) -> Tensor:
        """hidden_states and the result (B, L, C)."""
        made = self.plain(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        if self.perturbed and rows:
            for network, which in rows.items():
                made[which] = PERTURBED[network](attn, hidden_states)[
                    which
                ]  # adapters count on whole batches
        return made


def make_perturbable(unet: Any, places: Sequence[str]) -> None:
    """Give ``unet`` (a UNet2DConditionModel) attention that can be perturbed in its blocks named ``places``,
    for instance ``"mid_block"``. It answers as before unless a call names rows."""
    unet.set_attn_processor({
        name: RowwiseAttention(plain, name.startswith(tuple(places)) and name.endswith("attn1.processor"))
        for name, plain in unet.attn_processors.items()
    })  # fmt: skip


def rows_of(networks: Sequence[Network], device: torch.device) -> Rows:
    """The rows of a call, row i to be answered by ``networks[i]``, that are perturbed."""
    return {
        network: torch.tensor([i for i, of in enumerate(networks) if of == network], device=device)
        for network in PERTURBED
        if network in networks
    }


def _identity(attn: Any, x: Tensor) -> Tensor:
    """Every place attends to itself alone (arXiv:2403.17377, sec. 4.2)."""
    return _out(attn, attn.to_v(x))


def _mean_query(attn: Any, x: Tensor) -> Tensor:
    """Queries blurred without end: every place attends as the mean of all (arXiv:2408.00760, sec. 4)."""
    query = attn.to_q(x).mean(1, keepdim=True)  # (B, 1, C)
    q, k, v = (t.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for t in (query, attn.to_k(x), attn.to_v(x)))
    seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)  # (B, 1, C)
    return _out(attn, seen).expand_as(x)


def _out(attn: Any, seen: Tensor) -> Tensor:
    linear, dropout = attn.to_out
    return dropout(linear(seen))


PERTURBED: dict[Network, Callable[[Any, Tensor], Tensor]] = {
    "identity-attention": _identity,
    "mean-query": _mean_query,
}
