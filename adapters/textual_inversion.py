"""Textual inversion (arXiv:2208.01618): words that a file teaches, as vectors in place of tokens. No prompts.

Nothing of a model is changed: what reads texts is a copy of ``Parts`` that shares every network.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from models import ModelError, Parts
from models.chunks import spelled
from models.header import read_header

PAIR = ("clip_l", "clip_g")  # SDXL's, for its first and its second text encoder
LARGEST = 16 << 20  # bytes
_ASKED = re.compile(r"(?<!\w)embedding:([^\s,:()\[\]{}|]+)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Embedding:
    """Vectors that stand for one word, for each text encoder of a model: (n, D) float32."""

    name: str
    vectors: tuple[Tensor, ...]


Words: TypeAlias = tuple[tuple[str, Embedding], ...]
"""What is written in prompts, and what it stands for."""


def taught(parts: Parts, words: Words) -> Parts:
    """``parts`` that reads texts with ``words``; everything else is shared with it."""
    if not words:
        return parts
    encoders = tuple(
        replace(encoder, words={word.lower(): embedding.vectors[k] for word, embedding in words})
        for k, encoder in enumerate(parts.encoders)
    )
    return replace(parts, encoders=encoders)


def mentioned(text: str, names: Iterable[str]) -> tuple[str, ...]:
    """Which of ``names`` (paths or their last parts) ``text`` has as whole words, in any case.

    With or without ``embedding:`` before them; one with it that is none of the names raises ``ValueError``.
    """
    small = text.lower()
    known = {spoken.lower(): spoken for name in names for spoken in (name.rpartition("/")[2], name)}
    pattern = spelled([name for name in known if name in small])
    found = list(pattern.finditer(text)) if pattern else []
    starts = {one.start() for one in found}
    for one in _ASKED.finditer(text):
        if one.start() not in starts:
            there = ", ".join(sorted(known.values())[:20]) or "none, as there are no embeddings"
            raise ValueError(f"got the embedding {one[1][:60]!r}; allowed: {there}.")
    return tuple(dict.fromkeys(known[one[1].lower()] for one in found))


def load_embedding(file: Path, parts: Parts) -> Embedding:
    """The embedding of a safetensors file for the model ``parts``.

    AUTOMATIC1111's ``emb_params``, diffusers' one tensor under the word that it stands for, or SDXL's pair
    ``clip_l`` and ``clip_g``. Raises ``ModelError`` where it is unsound or made for another family.
    """
    from safetensors.torch import load_file

    header = read_header(file)
    if file.stat().st_size > LARGEST:
        raise ModelError(f"File {file.name!r} has {file.stat().st_size} bytes; allowed: at most {LARGEST}.")
    places = _places(set(header.shapes), file.stem, len(parts.encoders), parts.name)
    tensors = load_file(file)
    vectors = tuple(torch.atleast_2d(tensors[place].float()) for place in places)
    most = parts.text_limit - 2
    for encoder, each in zip(parts.encoders, vectors, strict=True):
        width = encoder.network.config.hidden_size
        if each.ndim != 2 or each.shape[1] != width or not 1 <= len(each) <= most:
            got = f"vectors of shape {tuple(each.shape)}"
            allowed = f"allowed with model {parts.name!r}: 1 to {most} of width {width}"
            raise ModelError(f"Embedding {file.stem!r} has {got}; {allowed}.")
        if not bool(each.isfinite().all()):
            raise ModelError(f"Embedding {file.stem!r} has vectors that are not numbers.")
    if len({len(each) for each in vectors}) > 1:
        counts = " and ".join(str(len(each)) for each in vectors)
        raise ModelError(f"Embedding {file.stem!r} has {counts} vectors; allowed: as many for each encoder.")
    return Embedding(file.stem, vectors)


def _places(keys: set[str], name: str, encoders: int, model: str) -> tuple[str, ...]:
    """The names of its tensors, one for each text encoder."""
    if encoders == 2:
        if keys >= set(PAIR):
            return PAIR
        raise ModelError(
            f"Embedding {name!r} has no pair {' and '.join(PAIR)}; allowed with model {model!r}: one of SDXL."
        )
    if keys & set(PAIR):
        raise ModelError(f"Embedding {name!r} is a pair for SDXL; allowed with model {model!r}: one tensor.")
    if "emb_params" in keys:
        return ("emb_params",)
    if len(keys) != 1:
        raise ModelError(f"Embedding {name!r} has {len(keys)} tensors; allowed: one, or emb_params.")
    return tuple(keys)
