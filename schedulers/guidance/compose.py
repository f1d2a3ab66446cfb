"""Several prompts at once, each with a weight. Knows no particular rule and no prompts."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from schedulers.ask import Evaluate, Guiding


def branch_of(part: int) -> str:
    """The name of the branch of prompt number ``part``."""
    return "conditional" if part == 0 else f"conditional {part + 1}"


def composed(guiding: Guiding, weights: Sequence[float]) -> Guiding:
    """``guiding`` with its conditional estimate made of several: c = u + sum_i w_i (c_i - u).

    Composable diffusion (arXiv:2206.01714, eq. 13) under any rule. Where no other branch is asked for, there
    is no u to start from, and c is the weighted mean.
    """
    if len(weights) == 1 and weights[0] == 1:
        return (yield from guiding)
    answers: tuple[Tensor, ...] | None = None
    while True:
        try:
            wanted = guiding.send(answers)  # type: ignore[arg-type]  # a generator is started by sending None
        except StopIteration as done:
            return done.value
        others = tuple(e for e in wanted if e.branch != "conditional")
        asked = next((e for e in wanted if e.branch == "conditional"), None)
        parts = () if asked is None else tuple(_part(asked, k) for k in range(len(weights)))
        made = yield (*parts, *others)
        rest = dict(zip((e.branch for e in others), made[len(parts) :], strict=True))
        if asked is not None:
            base = rest.get("empty", rest.get("unconditional"))
            rest["conditional"] = _together(made[: len(parts)], weights, base)
        answers = tuple(rest[e.branch] for e in wanted)


def _part(asked: Evaluate, part: int) -> Evaluate:
    return replace(asked, branch=branch_of(part))


def _together(parts: Sequence[Tensor], weights: Sequence[float], base: Tensor | None) -> Tensor:
    weighed = sum((w * c for w, c in zip(weights[1:], parts[1:], strict=True)), start=weights[0] * parts[0])
    if base is None:
        return weighed / sum(weights)
    return base + weighed - sum(weights) * base
