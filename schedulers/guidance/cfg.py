"""Classifier-free guidance. Knows no prompts: it names branches, the pipeline knows their texts."""

from dataclasses import dataclass

from torch import Tensor

from schedulers.ask import Ask, Evaluate, Guiding
from schedulers.guidance.rule import Strength


@dataclass(frozen=True)
class Cfg:
    """x0 = u + w (c - u) (arXiv:2207.12598, eq. 6, in x0). w = 1 asks the conditional branch alone, w = 0
    the unconditional one alone."""

    strength: Strength

    def __call__(self, ask: Ask) -> Guiding:
        w = self.strength.guidance
        if w in (0, 1):
            (only,) = yield (Evaluate(ask.x, ask.level, "conditional" if w == 1 else "unconditional"),)
            return only
        conditional, unconditional = yield (
            Evaluate(ask.x, ask.level, "conditional"),
            Evaluate(ask.x, ask.level, "unconditional"),
        )
        guided = unconditional + w * (conditional - unconditional)
        return rescale(guided, conditional, self.strength.rescale)


def rescale(guided: Tensor, conditional: Tensor, phi: float) -> Tensor:
    """Give each image the standard deviation its conditional estimate has (arXiv:2305.08891, eq. 15-16).

    Shapes (B, C, h, w); phi 0 returns ``guided`` itself. The paper works on the network's output; here it is
    the x0 estimate, which every kind of model has.
    """
    if phi == 0:
        return guided
    over = (1, 2, 3)
    wide = guided.std(over, keepdim=True).clamp_min(1e-12)  # (B, 1, 1, 1); a flat image stays as it is
    return phi * guided * (conditional.std(over, keepdim=True) / wide) + (1 - phi) * guided
