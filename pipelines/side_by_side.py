"""Several drawings as one: their questions go out together, whatever each of them asks. Knows no samplers."""

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from pipelines.requests import Denoise, Request, Step

Drawing: TypeAlias = Generator[Request, Any, Tensor]
"""Yields tuples of ``Denoise`` and ``Step``s, returns its latents."""


def side_by_side(drawings: Sequence[Drawing]) -> Drawing:
    """Run ``drawings`` in lockstep: one request holds what all of them ask now. Their latents, joined.

    A step is told once every one of them has done it; its preview is the newest of each.
    """
    asked: dict[int, tuple[Denoise, ...]] = {}
    ended: dict[int, Tensor] = {}
    newest: dict[int, Step] = {}
    told = 0

    def go_on(k: int, answer: tuple[Tensor, ...] | None) -> None:
        """Let drawing ``k`` run until it asks or ends."""
        asked.pop(k, None)
        try:
            request = drawings[k].send(answer)
            while isinstance(request, Step):
                newest[k] = request
                request = drawings[k].send(None)
        except StopIteration as done:
            ended[k] = done.value
            return
        assert isinstance(request, tuple)
        asked[k] = request

    for k in range(len(drawings)):
        go_on(k, None)
    while asked:
        waiting = dict(asked)
        answers: tuple[Tensor, ...] = yield tuple(one for request in waiting.values() for one in request)
        for k, request in waiting.items():
            go_on(k, answers[: len(request)])
            answers = answers[len(request) :]
        if len(newest) == len(drawings) and (least := min(step.index for step in newest.values())) > told:
            told = least
            yield Step(told, newest[0].of, torch.cat([newest[k].x0 for k in sorted(newest)]))
    return torch.cat([ended[k] for k in sorted(ended)])
