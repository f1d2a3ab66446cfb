"""Every guidance rule, by name: one file here and one line in the table adds one."""

from schedulers.guidance.apg import apg
from schedulers.guidance.cfg import cfg
from schedulers.guidance.cfg_pp import cfg_pp
from schedulers.guidance.cfg_zero import cfg_zero
from schedulers.guidance.dynamic import dynamic
from schedulers.guidance.perp_neg import perp_neg
from schedulers.guidance.rule import Guide, Rule, Strength

__all__ = ["GUIDANCE", "Guide", "Rule", "Strength"]

_ALL = (
    Rule("cfg", "Classifier-free", "Towards the prompt and away from the negative prompt.", cfg),
    Rule("apg", "Adaptive projected (APG)", "High guidance without burnt colours.", apg),
    Rule("cfg-pp", "CFG++", "Follows the steps' sizes; for few steps. 7.5 is a usual value.", cfg_pp),
    Rule("cfg-zero", "CFG-Zero*", "Scales the negative side to fit; made for flow models.", cfg_zero),
    Rule("dynamic", "Dynamic thresholding", "Keeps the prompt's own range at high guidance.", dynamic),
    Rule("perp-neg", "Perp-Neg", "The negative prompt takes away only what the prompt does not share.",
         perp_neg, ("conditional", "unconditional", "empty")),
)  # fmt: skip
GUIDANCE: dict[str, Rule] = {rule.name: rule for rule in _ALL}
