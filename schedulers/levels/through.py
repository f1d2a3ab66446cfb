"""Levels through given noise levels: tables made for one model, and sigmas typed by hand."""

import math
from collections.abc import Sequence
from itertools import pairwise

from schedulers.level import CLEAN, Level, Table, on_path

MOST = 150


class Unsuited(ValueError):
    """The sigmas are not for this model: it never saw them, or nobody fitted any to it."""


def through(nodes: Sequence[float], table: Table, steps: int) -> list[Level]:
    """Levels at the VE sigmas ``nodes`` (falling; the first may be inf, the model's noisiest level), then the
    clean one. Other step counts than theirs are interpolated in log sigma.

    Raises ``Unsuited`` for a sigma outside of what the model was trained on.
    """
    low, high = table.ends
    for sigma in nodes:
        if not (low * (1 - 1e-6) <= sigma <= high * (1 + 1e-6) or sigma == math.inf == nodes[0]):
            told = f"got {sigma:g}; allowed with this model: from {low:.4g} to {high:.4g}, first inf."
            raise Unsuited(told)
    first = table.levels[-1] if nodes[0] == math.inf else on_path(table.path, nodes[0])
    reached = [min(sigma, high) for sigma in nodes]
    inner = [at(reached, i / max(steps - 1, 1)) for i in range(1, steps)]
    return [first, *(on_path(table.path, sigma) for sigma in inner), CLEAN]


def fitted(table: Table, steps: int) -> list[Level]:
    """Through the table that was searched for this model (``training.starter``'s table stage)."""
    if not table.fitted:
        raise Unsuited("got fitted, and this model has no table of its own; allowed: another schedule.")
    return through((math.inf, *table.fitted), table, steps)


def at(nodes: Sequence[float], u: float) -> float:
    """The sigma a share ``u`` of the way through ``nodes``, log sigma linear between two of them."""
    place = u * (len(nodes) - 1)
    k = min(int(place), max(len(nodes) - 2, 0))
    if place == k:
        return nodes[k]
    return nodes[k] * (nodes[k + 1] / nodes[k]) ** (place - k)


def read_sigmas(text: str) -> tuple[float, ...]:
    """``"inf, 14.6, 3 1"`` -> the VE sigmas it lists; a 0 at the end may be written and is not among them.

    Raises ``ValueError`` for what is no number, does not fall, or is too long.
    """
    words = text.replace(",", " ").split()
    try:
        sigmas = [float(word) for word in words]
    except ValueError as error:
        raise ValueError(f"got {str(error).rpartition(': ')[2]}; allowed: numbers.") from None
    if len(sigmas) > 1 and sigmas[-1] == 0:
        sigmas.pop()
    if not 1 <= len(sigmas) <= MOST:
        raise ValueError(f"got {len(sigmas)} of them; allowed: 1 to {MOST}.")
    if not all(sigma > 0 for sigma in sigmas) or any(a <= b for a, b in pairwise(sigmas)):
        raise ValueError("got sigmas that do not fall towards 0; allowed: each smaller than the one before.")
    return tuple(sigmas)
