"""Several prompts at once, each with a weight. Knows no particular rule and no prompts."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from schedulers.ask import NEGATIVE, PROMPT, WORDLESS, Evaluate, Guiding


def text_of(part: int) -> str:
    """The name of the text of prompt number ``part``."""
    return PROMPT.text if part == 0 else f"{PROMPT.text} {part + 1}"


def composed(guiding: Guiding, weights: Sequence[float]) -> Guiding:
    """``guiding`` with its conditional estimate made of several: c = u + sum_i w_i (c_i - u).

    Composable diffusion (arXiv:2206.01714, eq. 13) under any rule and for every form of the network. Where no
    other text is asked for, there is no u to start from, and c is the weighted mean.
    """
    if len(weights) == 1 and weights[0] == 1:
        return (yield from guiding)
    answers: tuple[Tensor, ...] | None = None
    while True:
        try:
            wanted = guiding.send(answers)  # type: ignore[arg-type]  # a generator is started by sending None
        except StopIteration as done:
            return done.value
        asked = [_parts(e, len(weights)) if e.branch.text == PROMPT.text else (e,) for e in wanted]
        made = yield tuple(one for each in asked for one in each)
        split = _split(made, [len(each) for each in asked])
        texts = {e.branch: each[0] for e, each in zip(wanted, split, strict=True)}
        base = texts.get(WORDLESS, texts.get(NEGATIVE))
        answers = tuple(
            _together(each, weights, base) if e.branch.text == PROMPT.text else each[0]
            for e, each in zip(wanted, split, strict=True)
        )


def _parts(asked: Evaluate, count: int) -> tuple[Evaluate, ...]:
    return tuple(replace(asked, branch=asked.branch._replace(text=text_of(k))) for k in range(count))


def _split(made: Sequence[Tensor], counts: Sequence[int]) -> list[Sequence[Tensor]]:
    rest = list(made)
    return [[rest.pop(0) for _ in range(count)] for count in counts]


def _together(parts: Sequence[Tensor], weights: Sequence[float], base: Tensor | None) -> Tensor:
    weighed = sum((w * c for w, c in zip(weights[1:], parts[1:], strict=True)), start=weights[0] * parts[0])
    if base is None:
        return weighed / sum(weights)
    return base + weighed - sum(weights) * base
