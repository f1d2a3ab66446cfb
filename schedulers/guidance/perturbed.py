"""Guidance away from a network whose self-attention is perturbed (PAG, SEG). Knows no networks."""

from collections.abc import Callable, Sequence

from schedulers.ask import NEGATIVE, PROMPT, Ask, Evaluate, Guiding
from schedulers.guidance.rule import Guide, Strength, rescale
from schedulers.level import Level
from schedulers.network import Network


def perturbed(network: Network) -> Callable[[Strength, Sequence[Level]], Guide]:
    """x0 = u + w (c - u) + s (c - p): p is what ``network`` makes of the prompt, s the perturbation.

    Perturbed-attention guidance beside classifier-free (arXiv:2403.17377); with blurred attention, smoothed
    energy guidance (arXiv:2408.00760). Guidance 1 asks no negative prompt, perturbation 0 is plain guidance.
    """
    other = PROMPT._replace(network=network)

    def start(strength: Strength, levels: Sequence[Level]) -> Guide:
        w, s = strength.guidance, strength.perturbation

        def guide(ask: Ask) -> Guiding:
            wanted = (PROMPT, *((NEGATIVE,) if w != 1 else ()), *((other,) if s else ()))
            made = yield tuple(Evaluate(ask.x, ask.level, branch) for branch in wanted)
            answers = dict(zip(wanted, made, strict=True))
            c = answers[PROMPT]
            guided = c if w == 1 else answers[NEGATIVE] + w * (c - answers[NEGATIVE])
            return rescale(guided + s * (c - answers[other]) if s else guided, c, strength.rescale)

        return guide

    return start
