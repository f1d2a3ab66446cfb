"""Several prompts at once, each with a weight. Knows no particular rule and no prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from schedulers.ask import NEGATIVE, PROMPT, WORDLESS, Branch, Evaluate, Guiding
from schedulers.guidance.divided import divided
from schedulers.guidance.regional import text_in


def text_of(part: int) -> str:
    """The name of the text of prompt number ``part``."""
    return PROMPT.text if part == 0 else f"{PROMPT.text} {part + 1}"


def composed(guiding: Guiding, weights: Sequence[float], place: int = 0) -> Guiding:
    """``guiding`` with its conditional estimate in ``place`` made of several: c = u + sum_i w_i (c_i - u).

    Composable diffusion (the conjunction of arXiv:2206.01714) under any rule and for every form of the
    network. Where no other text is asked for, there is no u to start from, and c is the weighted mean.
    """
    if len(weights) == 1 and weights[0] == 1:
        return (yield from guiding)
    prompt = text_in(PROMPT.text, place)

    def into(one: Evaluate) -> tuple[Evaluate, ...]:
        return _parts(one, len(weights), place) if one.branch.text == prompt else (one,)

    def together(wanted: Sequence[Evaluate], made: Sequence[Sequence[Tensor]]) -> tuple[Tensor, ...]:
        base = _base({one.branch: each[0] for one, each in zip(wanted, made, strict=True)}, place)
        return tuple(
            _together(each, weights, base) if one.branch.text == prompt else each[0]
            for one, each in zip(wanted, made, strict=True)
        )

    return (yield from divided(guiding, into, together))


def _parts(asked: Evaluate, count: int, place: int) -> tuple[Evaluate, ...]:
    names = [text_in(text_of(k), place) for k in range(count)]
    return tuple(replace(asked, branch=asked.branch._replace(text=name)) for name in names)


def _base(texts: Mapping[Branch, Tensor], place: int) -> Tensor | None:
    """u, that of the place before one that all places share."""
    names = [text_in(one.text, at) for one in (WORDLESS, NEGATIVE) for at in (place, 0)]
    return next((texts[Branch(name)] for name in names if Branch(name) in texts), None)


def _together(parts: Sequence[Tensor], weights: Sequence[float], base: Tensor | None) -> Tensor:
    weighed = sum((w * c for w, c in zip(weights[1:], parts[1:], strict=True)), start=weights[0] * parts[0])
    if base is None:
        return weighed / sum(weights)
    return base + weighed - sum(weights) * base
