"""Were training pictures learnt by heart? Pictures are (n, d) float64 arrays of pixels."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import euclidean_distances

from training.evaluation.intervals import Array, Estimate, bootstrap, share


@dataclass(frozen=True)
class Memorisation:
    """``ratio``: a drawn picture's distance to the nearest training picture over that to the nearest of as
    many test pictures, the median; 1 where neither is nearer, 0 for copies. ``authenticity``: the share of
    drawn pictures that are no near copies. ``attack_auc``: how well an attacker who sees the drawn pictures
    tells training from test pictures; 0.5 is guessing."""

    ratio: Estimate
    authenticity: Estimate
    attack_auc: Estimate


def memorisation(drawn: Array, train: Array, test: Array, seed: int) -> Memorisation:
    """All three, with as many training as test pictures, so that neither is nearer for being more; only
    authenticity looks at all of ``train``."""
    random = np.random.default_rng(seed)
    each = min(len(train), len(test))
    some = train[random.choice(len(train), each, replace=False)]
    other = test[random.choice(len(test), each, replace=False)]
    return Memorisation(
        ratio=_ratio(euclidean_distances(drawn, some), euclidean_distances(drawn, other), seed),
        authenticity=_authenticity(drawn, train, seed),
        attack_auc=_attack(drawn, some, other, seed),
    )


def _ratio(to_train: Array, to_test: Array, seed: int) -> Estimate:
    ratios = to_train.min(1) / np.maximum(to_test.min(1), 1e-12)
    order = np.argsort(ratios)

    def median(weights: Array) -> float:
        reached = np.cumsum(weights[order])
        return float(ratios[order][np.searchsorted(reached, reached[-1] / 2)])

    return bootstrap(median, (len(ratios),), seed)


def _authenticity(drawn: Array, train: Array, seed: int) -> Estimate:
    """A drawn picture is a copy where it is nearer to its nearest training picture than that one is to any
    other (2102.08921, section 3.3)."""
    across = euclidean_distances(drawn, train)
    nearest = across.argmin(1)
    asked, place = np.unique(nearest, return_inverse=True)
    within = euclidean_distances(train[asked], train)  # of those only: all pairs are many
    within[np.arange(len(asked)), asked] = np.inf
    return share((across.min(1) > within.min(1)[place]).astype(np.float64), seed)


def _attack(drawn: Array, members: Array, others: Array, seed: int) -> Estimate:
    """The full black-box attack of 1909.03935 (eq. 4): what some drawn picture is near to was trained on."""
    scores = -np.concatenate([euclidean_distances(some, drawn).min(1) for some in (members, others)])
    truth = np.concatenate([np.ones(len(members)), np.zeros(len(others))])

    def auc(of_members: Array, of_others: Array) -> float:
        return float(roc_auc_score(truth, scores, sample_weight=np.concatenate([of_members, of_others])))

    return bootstrap(auc, (len(members), len(others)), seed)
