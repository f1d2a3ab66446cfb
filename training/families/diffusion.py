"""What all diffusion models here are: a U-Net, a design, and the samplers of schedulers/.

They differ in how noise is added, what the network predicts and how errors count: all of that is a
``Design`` (arXiv:2206.00364, table 1). A level's ratio is sigma / alpha in x = alpha x0 + sigma noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from schedulers import SAMPLERS, SCHEDULES, Level, SeededNoise, Table, evaluations, first_noise, solve
from schedulers.level import on_path
from training.families.chance import Chance
from training.families.family import Learner, Likelihood, Shape
from training.families.likelihood import ode_log_density
from training.families.networks import Denoiser, bits, dequantised

Way = Literal["vp", "ve", "flow", "sub-vp"]
DROPPED = 0.1  # of the labels: what the unconditional half of guidance learns from (arXiv:2207.12598, alg. 1)
FARTHEST = 10.0  # the largest logarithm of a ratio that the network is told
TOLD = 100.0  # the network's clock is the ratio's logarithm, in hundredths: its sinusoids are made for 1000
LIKELIHOOD_STEPS = 64


class Scale(NamedTuple):
    """x0 = skip x + out F(into x), the error of which counts ``weight``; each broadcasts to (B, 1, 1, 1)."""

    skip: Tensor
    out: Tensor
    into: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Design:
    """One kind of diffusion. ``ratio`` carries uniform numbers (B,) to the sigma / alpha trained at."""

    way: Way
    table: Table  # that it is drawn through
    ratio: Callable[[Tensor], Tensor]
    scale: Callable[[Tensor, Tensor], Scale]
    sampler: str = "dpmpp-2m"
    schedule: str = "karras"
    steps: int = 20
    guidance: float = 1.0


def on_way(way: Way, ratio: Tensor) -> tuple[Tensor, Tensor]:
    """(alpha, sigma) of a ratio: VP alpha^2 + sigma^2 = 1, sub-VP alpha^2 + sigma = 1 (arXiv:2011.13456,
    eq. 29), VE alpha = 1, flow alpha + sigma = 1."""
    match way:
        case "vp":
            alpha = (1 + ratio.square()).rsqrt()
        case "sub-vp":  # 2 / (r + sqrt(r^2 + 4)) is the root of alpha^2 + r alpha = 1, without cancellation
            alpha = 2 / (ratio + (ratio.square() + 4).sqrt())
        case "ve":
            alpha = torch.ones_like(ratio)
        case "flow":
            alpha = 1 / (1 + ratio)
    return alpha, alpha * ratio


class Diffusion(Learner, Likelihood):
    """Learns x0 from x at every level; draws along them."""

    def __init__(self, shape: Shape, design: Design) -> None:
        super().__init__()
        self.shape, self.design = shape, design
        self.net = Denoiser(shape.channels, shape.side, shape.classes)

    def forward(self, x: Tensor, label: Tensor, seed: Tensor) -> dict[str, Tensor]:
        """weight(level) |x0's estimate - x0|^2, mean over pixels and levels (arXiv:2206.00364, eq. 2)."""
        chance = Chance.of(seed, x)
        ratio = self.design.ratio(chance.uniform(0))  # (B,)
        label = torch.where(chance.uniform(1) < DROPPED, self.shape.classes, label)
        noise = chance.normal(2, *x.shape[1:])
        alpha, sigma = (part[:, None, None, None] for part in on_way(self.design.way, ratio))
        estimate = self.estimate(alpha * x + sigma * noise, ratio, label)
        error = (estimate - x).square()
        weighted = self.design.scale(alpha, sigma).weight * error
        return {"loss": weighted.mean(), "x0_error": error.mean()}

    def estimate(self, x: Tensor, ratio: Tensor, label: Tensor) -> Tensor:
        """x0 (B, C, H, W) from x (B, C, H, W) at the design's own level of ``ratio`` (B,)."""
        alpha, sigma = (part[:, None, None, None] for part in on_way(self.design.way, ratio))
        scale = self.design.scale(alpha, sigma)
        told = TOLD * ratio.log().clamp(-FARTHEST, FARTHEST)
        return scale.skip * x + scale.out * self.net(scale.into * x, told, label)

    def denoise(self, x: Tensor, level: Level, label: Tensor, guidance: float = 1.0) -> Tensor:
        """x0 from x at any level of any path: carried to the design's own level of the same ratio."""
        ratio = torch.full((len(x),), min(level.ve_sigma, 1e6), device=x.device)
        alpha, sigma = on_way(self.design.way, ratio[:1])
        x = x * (sigma / level.sigma if level.sigma else alpha / level.alpha)
        if guidance == 1:
            return self.estimate(x, ratio, label)
        nothing = torch.full_like(label, self.shape.classes)
        both = self.estimate(torch.cat([x, x]), torch.cat([ratio, ratio]), torch.cat([label, nothing]))
        c, u = both.chunk(2)
        return u + guidance * (c - u)  # arXiv:2207.12598, eq. 6, in x0

    @torch.no_grad()
    def solve(
        self,
        label: Tensor,
        seed: int,
        sampler: str,
        schedule: str,
        steps: int,
        guidance: float,
        clamp: bool = True,
    ) -> tuple[Tensor, list[Tensor]]:
        """(pictures, the estimates of x0 on the way) by any of schedulers' samplers and spacings."""
        levels, seen = SCHEDULES[schedule](self.design.table, steps), list[Tensor]()
        seeds, shape = range(seed, seed + len(label)), (self.shape.channels, self.shape.side, self.shape.side)

        def denoise(x: Tensor, level: Level) -> Tensor:
            x0 = self.denoise(x, level, label if len(x) == len(label) else label[: len(x)], guidance)
            seen.append(x0)
            return x0

        noise = SeededNoise(tuple(seeds), shape, label.device)
        start = levels[0].sigma * first_noise(seeds, shape).to(label.device)
        found = solve(sampler, denoise, start, levels, noise)
        return (found.clamp(-1, 1) if clamp else found), seen

    def draw(self, label: Tensor, seed: int) -> Tensor:
        return self._solved(label, seed)[0]

    @property
    def evaluations(self) -> int:
        d = self.design
        asked = evaluations(SAMPLERS[d.sampler], SCHEDULES[d.schedule](d.table, d.steps))
        return asked * (1 if d.guidance == 1 else 2)

    def strip(self, label: Tensor, seed: int, frames: int) -> Tensor:
        seen = self._solved(label, seed)[1]
        return torch.stack([seen[k].clamp(-1, 1) for k in evenly(len(seen), frames)])

    def _solved(self, label: Tensor, seed: int) -> tuple[Tensor, list[Tensor]]:
        d = self.design
        return self.solve(label, seed, d.sampler, d.schedule, d.steps, d.guidance)

    @torch.no_grad()
    def bits_per_dimension(self, x: Tensor, seed: int) -> Tensor:
        """By the probability-flow ODE (arXiv:2011.13456, sec. 4.3), without the class."""
        chance = Chance.of(torch.tensor(seed), x)
        nothing = torch.full((len(x),), self.shape.classes, device=x.device)
        data = dequantised(x, chance.uniform(0, *x.shape[1:]))
        sign = chance.uniform(1, *x.shape[1:]).sub(0.5).sign()

        def denoise(x: Tensor, ratio: float) -> Tensor:
            return self.denoise(x, Level(1.0, ratio), nothing)

        low, high = self.design.table.ends
        return bits(ode_log_density(denoise, data, sign, max(low, 2e-3), high, LIKELIHOOD_STEPS), x)


def evenly(count: int, frames: int) -> list[int]:
    """``frames`` of the numbers 0 to count - 1, the first and the last among them where there is room."""
    if frames == 1:
        return [count - 1]
    return [round(k * (count - 1) / (frames - 1)) for k in range(frames)]


def table_of(way: Way, ratios: Sequence[float]) -> Table:
    """A table of growing ratios on the way; a sub-VP model is drawn along VP."""
    path = "vp" if way == "sub-vp" else way
    return Table(tuple(on_path(path, ratio) for ratio in ratios), path)


def among(table: Table) -> Callable[[Tensor], Tensor]:
    """Every level of the table alike, as DDPM picks its timestep (arXiv:2006.11239, alg. 1)."""
    ratios = torch.tensor([min(level.ve_sigma, 1e6) for level in table.levels])

    def pick(chance: Tensor) -> Tensor:
        return ratios.to(chance.device)[(chance * len(ratios)).long()]

    return pick


def normal_quantile(chance: Tensor) -> Tensor:
    """Standard normal numbers from uniform ones."""
    return torch.special.ndtri(chance.double().clamp(1e-6, 1 - 1e-6)).float()
