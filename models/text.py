"""Texts in, what the U-Net is conditioned on out: CLIP's text encoders. Knows no language of prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Context:
    """What a U-Net draws under, one row a text."""

    hidden: Tensor  # (B, L, D), what its cross-attention sees
    pooled: Tensor | None = None  # (B, P), the whole text in one row, for models that want it (SDXL)

    def __len__(self) -> int:
        return len(self.hidden)

    def __getitem__(self, rows: slice) -> Self:
        pooled = self.pooled[rows] if self.pooled is not None else None
        return type(self)(self.hidden[rows], pooled)

    def expand(self, count: int) -> Self:
        """The one row, ``count`` times, without a copy."""
        pooled = self.pooled.expand(count, -1) if self.pooled is not None else None
        return type(self)(self.hidden.expand(count, -1, -1), pooled)

    @classmethod
    def cat(cls, contexts: Sequence[Self]) -> Self:
        """All their rows; one model made them all."""
        pooled = [context.pooled for context in contexts if context.pooled is not None]
        assert len(pooled) in (0, len(contexts))
        return cls(torch.cat([context.hidden for context in contexts]), torch.cat(pooled) if pooled else None)


@dataclass(frozen=True, eq=False, repr=False)  # a repr would print the network
class TextEncoder:
    """A tokenizer and the network that reads its tokens."""

    tokenizer: Any  # transformers' CLIPTokenizer
    network: Any  # transformers' CLIPTextModel, or CLIPTextModelWithProjection if pooled
    penultimate: bool = False  # whether to give the last layer but one, as it is, for the normed last one
    pooled: bool = False  # whether to give the projected end token too

    @property
    def limit(self) -> int:
        """The most tokens of one text, its begin and end included."""
        return min(self.tokenizer.model_max_length, self.network.config.max_position_embeddings)

    def tokens(self, text: str) -> int:
        """How many tokens ``text`` is, its begin and end included."""
        return len(self.tokenizer(text, truncation=False, verbose=False).input_ids)

    def encode(self, texts: Sequence[str], length: int) -> Context:
        """One row a text, padded to ``length`` tokens; none of the texts may be longer."""
        ids = self.tokenizer(
            list(texts), padding="max_length", max_length=length, return_tensors="pt"
        ).input_ids.to(self.network.device)
        read = self.network(ids, output_hidden_states=self.penultimate)
        hidden = read.hidden_states[-2] if self.penultimate else read.last_hidden_state
        return Context(hidden, read.text_embeds if self.pooled else None)


def encode_all(encoders: Sequence[TextEncoder], texts: Sequence[str], length: int) -> Context:
    """What all ``encoders`` read, side by side in D; the pooled row is the last one's that gives any."""
    read = [encoder.encode(texts, length) for encoder in encoders]
    pooled = [context.pooled for context in read if context.pooled is not None]
    return Context(torch.cat([context.hidden for context in read], -1), pooled[-1] if pooled else None)
