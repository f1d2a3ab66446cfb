"""Answers what several pictures ask with as few U-Net calls as the row budget allows.

It knows one loaded model and tensors; not jobs, users or threads. Rows of one call may differ in prompt,
noise level, sampler and owner: only the shapes must agree. One ask that cannot be answered fails alone.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor

from engine.budget import RowBudget
from models import Parts
from pipelines.draw import together
from pipelines.requests import Denoise


class NotFinite(ArithmeticError):
    """The network answered NaN or infinity."""


class Kind(NamedTuple):
    """What must agree within one call."""

    model: str  # where it was loaded from
    latent: tuple[int, ...]  # (C, h, w); SDXL's size conditioning follows from it
    context: tuple[int, ...]  # (L, D); whether there is a pooled row is the model's matter
    weak: bool  # whether the model's weaker companion answers
    seamless: str = "none"  # which edges continue at the opposite one: all rows of a call share that


def kind_of(parts: Parts, ask: Denoise) -> Kind:
    latent, context = tuple(ask.x.shape[1:]), tuple(ask.context.hidden.shape[1:])
    return Kind(str(parts.path), latent, context, ask.network == "weak", ask.seamless)


def denoise_all(parts: Parts, asks: Sequence[Denoise], budget: RowBudget) -> list[Tensor | Exception]:
    """The x0 estimate (B, C, h, w) of each ask, or the exception that it, and it alone, raises."""
    by_kind: dict[Kind, list[int]] = defaultdict(list)
    for i, ask in enumerate(asks):
        by_kind[kind_of(parts, ask)].append(i)
    answers: list[Tensor | Exception] = [AssertionError("not answered")] * len(asks)
    for kind, indices in by_kind.items():
        for chunk in _chunks(indices, [asks[i].x.shape[0] for i in indices], budget.rows(kind)):
            for i, answer in zip(chunk, _call(parts, [asks[i] for i in chunk], kind, budget), strict=True):
                answers[i] = answer
    return answers


def _chunks(indices: Sequence[int], rows: Sequence[int], most: int) -> Iterator[list[int]]:
    """Cut into runs of about ``most`` rows (fewer than half as many again); one ask is never cut.

    A few rows too many in one call cost less than a call of their own.
    """
    share = ceil(sum(rows) / max(1, round(sum(rows) / most)))
    chunk: list[int] = []
    filled = 0
    for index, n in zip(indices, rows, strict=True):
        if filled >= share:
            yield chunk
            chunk, filled = [], 0
        chunk.append(index)
        filled += n
    yield chunk


def _call(parts: Parts, asks: list[Denoise], kind: Kind, budget: RowBudget) -> list[Tensor | Exception]:
    rows = sum(ask.x.shape[0] for ask in asks)
    started = time.perf_counter()
    try:
        answers = _stacked(parts, asks)
    except Exception as error:  # whatever one row's data or the memory made the network raise
        fault, full = error.with_traceback(None), isinstance(error, torch.OutOfMemoryError)
    else:
        budget.record(kind, rows, time.perf_counter() - started)
        return [answer if answer is not None else NotFinite() for answer in answers]
    # Outside the except block, whose traceback kept the failed call's tensors alive.
    if full:
        budget.out_of_memory(kind)
    if len(asks) == 1:
        return [fault]
    return [answer for ask in asks for answer in _call(parts, [ask], kind, budget)]


def _stacked(parts: Parts, asks: list[Denoise]) -> list[Tensor | None]:
    """One U-Net call; None in place of an answer that is not finite."""
    answers = together(parts, asks)
    finite = torch.cat(answers).isfinite().flatten(1).all(1).tolist()  # the one wait for the device in a call
    grouped = _grouped(finite, [len(answer) for answer in answers])
    return [answer if all(ok) else None for answer, ok in zip(answers, grouped, strict=True)]


def _grouped(values: Sequence[bool], sizes: Sequence[int]) -> Iterator[Sequence[bool]]:
    start = 0
    for size in sizes:
        yield values[start : start + size]
        start += size
