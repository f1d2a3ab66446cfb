"""Every guidance rule, by name: one file here and one line in the table adds one."""

from schedulers.guidance.cfg import Cfg
from schedulers.guidance.rule import Guide, Rule, Strength

__all__ = ["GUIDANCE", "Guide", "Rule", "Strength"]

_ALL = (Rule("cfg", "Classifier-free", "Towards the prompt and away from the negative prompt.", Cfg),)
GUIDANCE: dict[str, Rule] = {rule.name: rule for rule in _ALL}
