"""How good, varied, new and dear the pictures are that a model drew. Trains nothing but a classifier."""

from training.evaluation.baselines import GaussianPixels, Marginals
from training.evaluation.features import Features, classifier
from training.evaluation.figures import Cost, Figures
from training.evaluation.intervals import Estimate
from training.evaluation.measure import floor, measure

__all__ = [
    "Cost",
    "Estimate",
    "Features",
    "Figures",
    "GaussianPixels",
    "Marginals",
    "classifier",
    "floor",
    "measure",
]
