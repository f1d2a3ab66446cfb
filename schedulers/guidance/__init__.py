"""Every guidance rule, by name: one file here and one line in the table adds one."""

from schedulers.ask import NEGATIVE, PROMPT, WORDLESS
from schedulers.guidance.apg import apg
from schedulers.guidance.autoguidance import WEAK, autoguidance
from schedulers.guidance.cfg import cfg
from schedulers.guidance.cfg_pp import cfg_pp
from schedulers.guidance.cfg_zero import cfg_zero
from schedulers.guidance.dynamic import dynamic
from schedulers.guidance.perp_neg import perp_neg
from schedulers.guidance.perturbed import perturbed
from schedulers.guidance.rule import Guide, Rule, Strength

__all__ = ["GUIDANCE", "Guide", "Rule", "Strength"]

_ALL = (
    Rule("cfg", "Classifier-free", "Towards the prompt and away from the negative prompt.", cfg),
    Rule("apg", "Adaptive projected (APG)", "High guidance without burnt colours.", apg),
    Rule("cfg-pp", "CFG++", "Follows the steps' sizes; for few steps. 7.5 is a usual value.", cfg_pp),
    Rule("cfg-zero", "CFG-Zero*", "Scales the negative side to fit; made for flow models.", cfg_zero),
    Rule("dynamic", "Dynamic thresholding", "Keeps the prompt's own range at high guidance.", dynamic),
    Rule("perp-neg", "Perp-Neg", "The negative prompt takes away only what the prompt does not share.",
         perp_neg, (PROMPT, NEGATIVE, WORDLESS)),
    Rule("pag", "Perturbed attention (PAG)", "Also away from what is drawn when no place sees another.",
         perturbed("identity-attention"), perturbed="identity-attention"),
    Rule("seg", "Smoothed energy (SEG)", "As PAG, with attention blurred rather than cut; gentler.",
         perturbed("mean-query"), perturbed="mean-query"),
    Rule("autoguidance", "Autoguidance", "Away from a weaker model of the prompt; no negative. 2 is usual.",
         autoguidance, (PROMPT, WEAK)),
)  # fmt: skip
GUIDANCE: dict[str, Rule] = {rule.name: rule for rule in _ALL}
