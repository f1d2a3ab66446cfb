"""Weights of multistep rules: exact integrals of the polynomial through past estimates. Knows no samplers.

All are taken over one step, u from 0 (level a) to 1 (level b), and add up to 1. Nodes are where the estimates
were made; the polynomial of lowest degree through them is integrated against the rule's density, so a rule
with k nodes is exact for polynomials of degree k - 1 whatever the spacing.
"""

from collections.abc import Callable, Sequence

import numpy as np

from schedulers.level import Level

_POINTS, _MASSES = np.polynomial.legendre.leggauss(32)
U = (_POINTS + 1) / 2  # quadrature on [0, 1], exact to rounding for everything here
MASSES = _MASSES / 2


def exponential(past: Sequence[Level], a: Level, b: Level, eta: float = 0.0) -> list[float]:
    """For estimates of x0, polynomial in lambda: density e^{(1 + eta) h (u - 1)}.

    The exponential Adams rule of DPM-Solver++ (arXiv:2211.01095, eq. 8), RES (arXiv:2308.02157, sec. 3) and,
    with eta = tau^2, SA-Solver (arXiv:2309.05019, eq. 14). ``past`` may hold b: then it is a corrector.
    """
    h = b.log_snr - a.log_snr
    return _weights([(p.log_snr - a.log_snr) / h for p in past], lambda u: np.exp((1 + eta) * h * (u - 1)))


def in_sigma(past: Sequence[Level], a: Level, b: Level) -> list[float]:
    """For estimates of the noise, polynomial in the VE sigma: Adams-Bashforth, LMS (k-diffusion's)."""
    step = b.ve_sigma - a.ve_sigma
    return _weights([(p.ve_sigma - a.ve_sigma) / step for p in past], np.ones_like)


def in_log_sigma(past: Sequence[Level], a: Level, b: Level) -> list[float]:
    """For estimates of the noise, polynomial in the log of the VE sigma: DEIS's log-rho (arXiv:2204.13902,
    sec. 3.3). d sigma = -sigma d lambda gives the density e^{-h u}."""
    h = b.log_snr - a.log_snr
    return _weights([(p.log_snr - a.log_snr) / h for p in past], lambda u: np.exp(-h * u))


def _weights(nodes: Sequence[float], density: Callable[[np.ndarray], np.ndarray]) -> list[float]:
    mass = MASSES * density(U)
    mass = mass / mass.sum()
    return [float(mass @ _basis(nodes, k)) for k in range(len(nodes))]


def _basis(nodes: Sequence[float], k: int) -> np.ndarray:
    """Lagrange's polynomial that is 1 at node k and 0 at the others, at the points U."""
    value = np.ones_like(U)
    for j, node in enumerate(nodes):
        if j != k:
            value = value * (U - node) / (nodes[k] - node)
    return value
