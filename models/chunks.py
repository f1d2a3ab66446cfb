"""Weighed words into rows of tokens that a text encoder reads, and the weights onto what it read.

AUTOMATIC1111's arithmetic, in functions over one tokenizer, so that they serve each of SDXL's two encoders.
Knows no networks and no notation.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

NO_WORDS: Mapping[str, range] = MappingProxyType({})
COMMA_WITHIN = 20  # tokens: a chunk rather ends at a comma that is no further back


class Run(NamedTuple):
    """Words of one weight."""

    words: str
    weight: float = 1.0


Text: TypeAlias = tuple[tuple[Run, ...], ...]
"""The runs between one BREAK and the next; a plain text is ``((Run(text),),)``."""


class Chunk(NamedTuple):
    """What fits into a text encoder at once, without its begin and end."""

    tokens: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()  # of each token


class Size(NamedTuple):
    """How long a text is."""

    tokens: int  # a chunk that is not the last counts as full
    capacity: int  # of its chunks


def measured(chunks: Sequence[Chunk], room: int) -> Size:
    """The size of a text that was cut into ``chunks`` of ``room`` tokens."""
    return Size(room * (len(chunks) - 1) + len(chunks[-1].tokens), room * len(chunks))


def spelled(words: Iterable[str]) -> re.Pattern[str] | None:
    """Finds ``words`` where they stand alone, in any case, the longest first; its group 1 is the word.

    Also after ``embedding:``, as ComfyUI writes them.
    """
    longest = sorted(map(re.escape, words), key=len, reverse=True)
    whole = rf"(?<!\w)(?:embedding:)?({'|'.join(longest)})(?!\w)"
    return re.compile(whole, re.IGNORECASE) if longest else None


def chunked(tokenizer: Any, text: Text, room: int, words: Mapping[str, range] = NO_WORDS) -> list[Chunk]:
    """``text`` cut into chunks of at most ``room`` tokens, at least one.

    ``words``, in lower case, stand for the tokens given, which stay in one chunk.

    A BREAK fills its chunk up, even an empty one. A full chunk gives the words after its last comma to the
    next one if they are at most ``COMMA_WITHIN`` tokens, so that a phrase stays whole.
    """
    comma = tokenizer(",", add_special_tokens=False).input_ids
    lengths = {tokens.start: len(tokens) for tokens in words.values()}
    broken = [_cut(_tokens(tokenizer, part, words), room, comma, lengths) for part in text]
    chunks = [chunk for part in broken[:-1] for chunk in part or [Chunk()]] + broken[-1]
    return chunks or [Chunk()]


def _tokens(tokenizer: Any, part: Sequence[Run], words: Mapping[str, range]) -> list[tuple[int, float]]:
    pattern = spelled(words)
    pieces = [
        (piece, run.weight)
        for run in part
        for piece in (pattern.split(run.words) if pattern else [run.words])
    ]  # every second piece of a run is a word
    if not pieces:
        return []
    ids = tokenizer(
        [piece for piece, _ in pieces], add_special_tokens=False, truncation=False, verbose=False
    ).input_ids
    return [
        (token, weight)
        for (piece, weight), its in zip(pieces, ids, strict=True)
        for token in words.get(piece.lower(), its)
    ]


def _cut(
    tokens: Sequence[tuple[int, float]], room: int, comma: Sequence[int], lengths: Mapping[int, int]
) -> list[Chunk]:
    chunks: list[Chunk] = []
    start = phrase = 0  # where this chunk begins, and its words after the last comma
    for at, (token, _) in enumerate(tokens):
        if at - start == room:
            whole = [token] != comma and phrase > start and at - phrase < COMMA_WITHIN
            end = phrase if whole else at
            chunks.append(_chunk(tokens[start:end]))
            start = end
        elif [token] == comma:
            phrase = at + 1
        if at - start + lengths.get(token, 1) > room:
            chunks.append(_chunk(tokens[start:at]))
            start = at
    return [*chunks, _chunk(tokens[start:])] if tokens else []


def _chunk(tokens: Sequence[tuple[int, float]]) -> Chunk:
    return Chunk(tuple(token for token, _ in tokens), tuple(weight for _, weight in tokens))


def framed(tokenizer: Any, chunks: Sequence[Chunk], length: int) -> tuple[Tensor, Tensor]:
    """(ids, weights), both (N, length): each chunk between begin and end, filled up as the encoder wants it.

    Begin, end and what fills up have weight 1.
    """
    begin, end, fill = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    spare = [length - 2 - len(chunk.tokens) for chunk in chunks]
    ids = [[begin, *c.tokens, end, *[fill] * more] for c, more in zip(chunks, spare, strict=True)]
    weights = [[1.0, *c.weights, *[1.0] * (more + 1)] for c, more in zip(chunks, spare, strict=True)]
    return torch.tensor(ids), torch.tensor(weights, dtype=torch.float32)


def emphasised(hidden: Tensor, weights: Tensor, times: Tensor) -> Tensor:
    """``hidden`` (N, L, D), each token times its weight (N, L), scaled so that the mean is what it was.

    AUTOMATIC1111's emphasis "Original". Its mean is over all that it encodes in one call: one chunk of one
    prompt, or, where that changes from step to step, the same chunk of all its stages (N rows), each as often
    as it has a stage (``times`` (N,)). What all has weight 1 is returned untouched.
    """
    if bool((weights == 1).all()):
        return hidden
    weighed = hidden * weights.to(hidden)[..., None]
    before, after = (each.mean((1, 2)) @ times.to(hidden) for each in (hidden, weighed))
    return weighed * (before / after)
