"""What a drawing begins with: noise, or a picture under noise, and what of it must stay. Runs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot

import torch
from torch import Tensor

from pipelines.recipe import MAX_SEED, Recipe
from pipelines.side_by_side import Drawing
from pipelines.staged import Steps
from schedulers import Level, first_noise, held
from schedulers.ask import Sampling


@dataclass(frozen=True, eq=False)
class Begin:
    """``latents`` (1 or B, C, h, w) are those of a picture; None is none.

    ``free`` (1, 1, h, w) in [0, 1] is how much of each latent may change: 1 all the time, 0 never, and what
    is between joins the drawing when that share of the steps is left (Differential Diffusion,
    arXiv:2306.00950, alg. 1). ``extra`` (1, 1 + C, h, w) is for an inpainting model to read. ``salt`` makes
    other noise of the same seed, where a recipe draws more than once.
    """

    latents: Tensor | None = None
    free: Tensor | None = None
    extra: Tensor | None = None
    salt: int = 0

    def at(self, level: Level, noise: Tensor) -> Tensor:
        """x (B, C, h, w) at ``level``. A picture that nobody has seen counts as unit variance: a VP model
        starts from the noise itself, as in diffusers."""
        if self.latents is None:
            return noise * hypot(*level)
        return level.alpha * self.latents.to(noise) + level.sigma * noise

    def around(self, sampling: Sampling, steps: Steps) -> Sampling:
        """``sampling``, which is told what must stay as it is."""
        if self.free is None or self.latents is None:
            return sampling
        free = self.free

        def now(asked: int, level: Level) -> Tensor:
            last = len(steps.levels) - 1
            done = sum(steps.over(step, asked, level) for step in range(1, last))
            return (free >= 1 - done / last - 1e-6).to(free)  # (1, 1, h, w)

        return held(sampling, self.latents, now)

    def beside(self, drawing: Drawing) -> Drawing:
        """``drawing``, each question of which shows ``extra`` as well."""
        if self.extra is None:
            return (yield from drawing)
        answer = None
        while True:
            try:
                request = drawing.send(answer)
            except StopIteration as end:
                return end.value
            if isinstance(request, tuple):
                request = tuple(replace(ask, beside=self.extra) for ask in request)
            answer = yield request


FROM_NOISE = Begin()


def noise_of(images: Sequence[Recipe], shape: tuple[int, int, int], salt: int = 0) -> Tensor:
    """(B, C, h, w) float32 on the CPU: the first noise of each, turned towards that of its variation."""
    noise = first_noise([salted(one.seed, salt) for one in images], shape)
    turned = [one.variation for one in images if one.variation is not None]
    if not turned:
        return noise
    towards = first_noise([salted(variation.seed, salt) for variation in turned], shape)
    return torch.stack([between(a, b, v.strength) for a, b, v in zip(noise, towards, turned, strict=True)])


def salted(seed: int, salt: int) -> int:
    """Another seed. Within 32 bits: torch's generator for the CPU reads no more of one."""
    return (seed + salt) % (MAX_SEED + 1)


def between(a: Tensor, b: Tensor, share: float) -> Tensor:
    """Spherical interpolation (Shoemake 1985): on the way from one noise to another it stays noise."""
    cosine = ((a * b).sum() / (a.norm() * b.norm())).clamp(-1, 1)
    angle = torch.arccos(cosine)
    if angle < 1e-4:
        return a
    return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)
