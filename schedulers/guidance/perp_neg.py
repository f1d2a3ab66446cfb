"""Perp-Neg. Knows no prompts."""

from collections.abc import Sequence

from schedulers.ask import NEGATIVE, PROMPT, WORDLESS, Ask, Evaluate, Guiding
from schedulers.guidance.rule import Guide, Strength, dot, rescale
from schedulers.level import Level


def perp_neg(strength: Strength, levels: Sequence[Level]) -> Guide:
    """e + w ((c - e) - the part of (n - e) at right angles to (c - e)) (arXiv:2304.04968, eq. 7, weight 1).

    e is the estimate without words, n that of the negative prompt: what the negative shares with the prompt
    is left alone.
    """

    def guide(ask: Ask) -> Guiding:
        wanted = (PROMPT, NEGATIVE, WORDLESS)
        c, n, e = yield tuple(Evaluate(ask.x, ask.level, branch) for branch in wanted)
        main, against = c - e, n - e
        against = against - dot(against, main) / dot(main, main).clamp_min(1e-12) * main
        return rescale(e + strength.guidance * (main - against), c, strength.rescale)

    return guide
