"""Texts in, what the U-Net is conditioned on out: CLIP's text encoders. Knows no language of prompts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor

from models.chunks import Chunk, Size, Text, chunked, emphasised, framed, measured


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
    words: Mapping[str, Tensor] = field(default_factory=dict)  # in lower case -> vectors (n, D) in its place

    @property
    def limit(self) -> int:
        """The most tokens of one text, its begin and end included."""
        return min(self.tokenizer.model_max_length, self.network.config.max_position_embeddings)

    def tokens(self, text: str) -> int:
        """How many tokens ``text`` is, its begin and end included."""
        return len(self.tokenizer(text, truncation=False, verbose=False).input_ids)

    @cached_property
    def numbers(self) -> dict[str, range]:
        """The tokens of each of ``words``, beyond those of the vocabulary."""
        found, first = {}, self._vocabulary.num_embeddings
        for word, vectors in self.words.items():
            found[word] = range(first, first + len(vectors))
            first += len(vectors)
        return found

    def chunks(self, text: Text, length: int) -> list[Chunk]:
        """``text`` cut into chunks that are ``length`` tokens long with begin and end."""
        return chunked(self.tokenizer, text, length - 2, self.numbers)

    def size(self, text: Text, length: int) -> Size:
        """How long ``text`` is, in such chunks."""
        return measured(self.chunks(text, length), length - 2)

    def encode(self, texts: Sequence[str], length: int) -> Context:
        """One row a text, padded to ``length`` tokens; none of the texts may be longer."""
        ids = self.tokenizer(
            list(texts), padding="max_length", max_length=length, return_tensors="pt"
        ).input_ids
        return self.read(ids)

    def read(self, ids: Tensor, clip_skip: int = 1) -> Context:
        """One row for each of ``ids`` (B, length).

        ``clip_skip`` counts layers from the end: 2 is the last but one, through the final norm all the same,
        as AUTOMATIC1111 and diffusers have it. An encoder whose last layer but one is read anyway (SDXL's,
        without the norm) gives what it gives at 2 for 1 too.
        """
        deep = self.penultimate or clip_skip > 1
        with ExitStack() as stack:
            ids = self._spoken(ids.to(self.network.device), stack)
            read = self.network(ids, output_hidden_states=deep)
        if self.penultimate:
            hidden = read.hidden_states[-max(clip_skip, 2)]
        elif clip_skip > 1:
            hidden = self._final_norm(read.hidden_states[-clip_skip])
        else:
            hidden = read.last_hidden_state
        return Context(hidden, read.text_embeds if self.pooled else None)

    def _spoken(self, ids: Tensor, stack: ExitStack) -> Tensor:
        """``ids`` of the vocabulary alone; until ``stack`` ends, ``words`` get their vectors all the same."""
        beyond = ids - self._vocabulary.num_embeddings
        where = beyond >= 0
        if not bool(where.any()):
            return ids
        vectors = torch.cat(list(self.words.values())).to(ids.device)[beyond[where]]

        def put(module: Any, args: Any, embedded: Tensor) -> Tensor:
            return embedded.masked_scatter(where[..., None], vectors.to(embedded))

        stack.callback(self._vocabulary.register_forward_hook(put).remove)
        return ids.masked_fill(where, 0)

    @property
    def _vocabulary(self) -> Any:
        return self.network.get_input_embeddings()

    @property
    def layers(self) -> int:
        return self.network.config.num_hidden_layers

    @property
    def _final_norm(self) -> Any:
        [norm] = [m for name, m in self.network.named_modules() if name.split(".")[-1] == "final_layer_norm"]
        return norm


def encode_all(encoders: Sequence[TextEncoder], texts: Sequence[str], length: int) -> Context:
    """What all ``encoders`` read of plain texts."""
    return _side_by_side([encoder.encode(texts, length) for encoder in encoders])


def encode_prompts(
    encoders: Sequence[TextEncoder], prompts: Sequence[Sequence[Text]], length: int, clip_skip: int = 1
) -> Context:
    """(R, n * length, D): what the texts of every prompt say, in as many chunks as the longest has.

    The texts of a prompt are what it says at its stages; one that comes again gets no row of its own.
    """
    stages = [Counter(prompt) for prompt in prompts]  # a dict's order is that of the first mention
    cut = [[encoder.chunks(text, length) for s in stages for text in s] for encoder in encoders]
    most = max(len(chunks) for rows in cut for chunks in rows)
    read = [_encode(*pair, stages, most, length, clip_skip) for pair in zip(encoders, cut, strict=True)]
    return _side_by_side(read)


def _encode(
    encoder: TextEncoder,
    rows: Sequence[list[Chunk]],
    stages: Sequence[Counter[Text]],
    most: int,
    length: int,
    clip_skip: int,
) -> Context:
    """One encoder's part of ``encode_prompts``; short rows are filled up with empty chunks."""
    full = [chunk for chunks in rows for chunk in chunks + [Chunk()] * (most - len(chunks))]
    ids, weights = framed(encoder.tokenizer, full, length)
    read = encoder.read(ids, clip_skip)
    hidden = read.hidden.unflatten(0, (len(rows), most))  # (R, n, length, D)
    split = zip(
        hidden.split([len(s) for s in stages]),
        weights.unflatten(0, (len(rows), most)).split([len(s) for s in stages]),
        [torch.tensor(list(s.values())) for s in stages],
        strict=True,
    )
    whole = [
        torch.cat([emphasised(h[:, k], w[:, k], times) for k in range(most)], 1) for h, w, times in split
    ]
    pooled = read.pooled.unflatten(0, (len(rows), most))[:, 0] if read.pooled is not None else None
    return Context(torch.cat(whole), pooled)


def _side_by_side(read: Sequence[Context]) -> Context:
    """Side by side in D; the pooled row is the last encoder's that gives any."""
    pooled = [context.pooled for context in read if context.pooled is not None]
    return Context(torch.cat([context.hidden for context in read], -1), pooled[-1] if pooled else None)
