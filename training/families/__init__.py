"""The kinds of generative model that the lab trains: one file each, one line in the table."""

from training.families.family import Family, Learner, Likelihood, Reconstruction, Shape

FAMILIES: dict[str, Family] = {}

__all__ = ["FAMILIES", "Family", "Learner", "Likelihood", "Reconstruction", "Shape"]
