"""How far two sets of features are apart. Features are (n, d) float64; weights (n,) as in intervals.py."""

import numpy as np
from scipy import linalg

from training.evaluation.intervals import Array, Estimate, bootstrap


def frechet(a: Array, b: Array, wa: Array | None = None, wb: Array | None = None) -> float:
    """|m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^1/2), the distance of the Gaussians with the two sets'
    moments (1706.08500, eq. 6). Biased upwards for small sets: compare only sets of equal sizes."""
    (mean_a, cov_a), (mean_b, cov_b) = _moments(a, wa), _moments(b, wb)
    # The trace of a root is the sum of the roots of the eigenvalues, which the product of two covariances has
    # real and not negative; symmetric form, so that rounding keeps them so.
    root = _root(cov_a)
    eigenvalues = linalg.eigvalsh(root @ cov_b @ root)
    cross = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * cross)


def frechet_interval(a: Array, b: Array, seed: int) -> Estimate:
    """``frechet`` of drawn ``a`` and real ``b``, both resampled."""
    sizes = (len(a), len(b))
    return bootstrap(lambda wa, wb: max(0.0, frechet(a, b, wa, wb)), sizes, seed, within=(0.0, np.inf))


def kid_interval(a: Array, b: Array, seed: int) -> Estimate:
    """Kernel distance: the unbiased squared MMD under (x.y / d + 1)^3 (1801.01401, section 3). It may be
    negative, as its mean over equal distributions is zero."""
    d = a.shape[1]
    aa, bb, ab = ((x @ y.T / d + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))

    def mmd(wa: Array, wb: Array) -> float:
        cross = wa @ ab @ wb / (wa.sum() * wb.sum())
        return float(_within(aa, wa) + _within(bb, wb) - 2 * cross)

    return bootstrap(mmd, (len(a), len(b)), seed)


def inception_score_interval(probabilities: Array, seed: int) -> Estimate:
    """exp(E KL(p(y|x) | p(y))) of (n, classes) (1606.03498, section 4), of the classifier that is given."""
    logs = np.log(np.clip(probabilities, 1e-12, None))
    negative_entropies = (probabilities * logs).sum(1)  # (n,)

    def score(w: Array) -> float:
        mean = w @ probabilities / w.sum()
        return float(np.exp(w @ negative_entropies / w.sum() - mean @ np.log(np.clip(mean, 1e-12, None))))

    return bootstrap(score, (len(probabilities),), seed)


def _moments(x: Array, weights: Array | None) -> tuple[Array, Array]:
    """Mean (d,) and covariance (d, d)."""
    w = np.ones(len(x)) if weights is None else weights
    mean = w @ x / w.sum()
    centred = x - mean
    return mean, (centred * w[:, None]).T @ centred / (w.sum() - 1)


def _root(covariance: Array) -> Array:
    values, vectors = linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def _within(kernel: Array, w: Array) -> float:
    """The mean over pairs of different samples; a sample that counts twice is no pair with itself."""
    own = w**2 @ np.diagonal(kernel)
    return float((w @ kernel @ w - own) / (w.sum() ** 2 - (w**2).sum()))
