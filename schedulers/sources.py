"""Where the noise of a drawing's later steps may come from, by name. Knows no samplers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from schedulers.brownian import BrownianNoise
from schedulers.level import Level
from schedulers.noise import Noise, SeededNoise


@dataclass(frozen=True)
class Source:
    """``make(seeds, (C, h, w), levels, device)`` is the noise of the images with ``seeds``."""

    name: str
    label: str
    help: str
    make: Callable[[tuple[int, ...], tuple[int, int, int], Sequence[Level], torch.device], Noise]


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            "fresh",
            "Each step its own",
            "Quick; other steps make another picture.",
            lambda seeds, shape, levels, device: SeededNoise(seeds, shape, device),
        ),
        Source("brownian", "Brownian path", "More steps refine the same picture; slower.", BrownianNoise),
    )
}
