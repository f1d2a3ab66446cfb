"""Consistency distillation: jump to where the teacher's path ends, from anywhere on it (arXiv:2303.01469)."""

import torch
from torch import Tensor

from schedulers import Level, SeededNoise, first_noise, solve
from training.families.chance import Chance
from training.families.diffusion import TOLD, Diffusion, evenly
from training.families.edm import DATA, SIGMA
from training.families.family import Family, Learner, Shape
from training.families.networks import Denoiser

GRID = 18  # noise levels, by Karras's spacing (sec. 2, rho = 7)
RHO = 7.0
AGAIN = (0.8,)  # the sigmas that it jumps from again, with fresh noise (alg. 1)
HUBER = 0.00054  # times the root of the dimension: c of the pseudo-Huber distance (arXiv:2310.14189, eq. 8)


def sigmas() -> Tensor:
    """(GRID,) growing from SIGMA's first to its second (arXiv:2303.01469, sec. 3)."""
    low, high = (s ** (1 / RHO) for s in SIGMA)
    return torch.linspace(low, high, GRID, dtype=torch.float64).pow(RHO).float()


def boundary(sigma: Tensor) -> tuple[Tensor, Tensor]:
    """(c_skip, c_out), 1 and 0 at the least sigma: there the picture is its own end (app. C)."""
    least = SIGMA[0]
    skip = DATA**2 / ((sigma - least).square() + DATA**2)
    return skip, (sigma - least) * DATA * (sigma.square() + DATA**2).rsqrt()


class Consistency(Learner):
    """f(x, sigma) is where the teacher's ODE through x ends. Starts as the teacher."""

    def __init__(self, shape: Shape, teacher: Diffusion) -> None:
        super().__init__()
        self.shape = shape
        self.teacher = teacher.requires_grad_(False)
        self.net = Denoiser(shape.channels, shape.side, shape.classes)
        self.net.load_state_dict(teacher.net.state_dict())
        self.register_buffer("sigmas", sigmas(), persistent=False)
        self.sigmas: Tensor

    def jump(self, x: Tensor, sigma: Tensor, label: Tensor) -> Tensor:
        """f(x, sigma) of x (B, C, H, W) = x0 + sigma noise, sigma (B,) (eq. 5)."""
        wide = sigma[:, None, None, None]
        skip, out = boundary(wide)
        into = (wide.square() + DATA**2).rsqrt()
        return skip * x + out * self.net(into * x, TOLD * sigma.log(), label)

    def forward(self, x: Tensor, label: Tensor, seed: Tensor) -> dict[str, Tensor]:
        """d(f(x at sigma n + 1), sg f(the teacher's Heun step to sigma n)) (eq. 7 and alg. 2), with the
        target's weights the student's own (arXiv:2310.14189, sec. 3.2) and the pseudo-Huber distance."""
        chance = Chance.of(seed, x)
        index = chance.integers(0, GRID - 1)
        low, high = self.sigmas[index], self.sigmas[index + 1]
        noisy = x + high[:, None, None, None] * chance.normal(1, *x.shape[1:])
        with torch.no_grad():
            target = self.jump(self._heun(noisy, high, low, label), low, label)
        apart = (self.jump(noisy, high, label) - target).square().sum((1, 2, 3))
        c = HUBER * x[0].numel() ** 0.5
        weight = 1 / (high - low)  # lambda(sigma) (arXiv:2310.14189, eq. 7)
        return {"loss": (weight * ((apart + c**2).sqrt() - c)).mean(), "apart": apart.mean() / x[0].numel()}

    def _heun(self, x: Tensor, high: Tensor, low: Tensor, label: Tensor) -> Tensor:
        """One step of the teacher's ODE (arXiv:2206.00364, alg. 1)."""
        a, b = high[:, None, None, None], low[:, None, None, None]
        slope = (x - self.teacher.estimate(x, high, label)) / a
        ahead = x + (b - a) * slope
        return x + (b - a) / 2 * (slope + (ahead - self.teacher.estimate(ahead, low, label)) / b)

    @torch.no_grad()
    def _drawn(self, label: Tensor, seed: int) -> list[Tensor]:
        """Jumps from pure noise, and again from less of it, by schedulers' sampler for consistency models."""
        seeds, shape = range(seed, seed + len(label)), (self.shape.channels, self.shape.side, self.shape.side)
        levels = [Level(1.0, SIGMA[1]), *(Level(1.0, s) for s in AGAIN), Level(1.0, 0.0)]
        seen: list[Tensor] = []

        def denoise(x: Tensor, level: Level) -> Tensor:
            seen.append(self.jump(x, torch.full((len(x),), level.sigma, device=x.device), label).clamp(-1, 1))
            return seen[-1]

        noise = SeededNoise(tuple(seeds), shape, label.device)
        solve("lcm", denoise, SIGMA[1] * first_noise(seeds, shape).to(label.device), levels, noise)
        return seen

    def draw(self, label: Tensor, seed: int) -> Tensor:
        return self._drawn(label, seed)[-1]

    @property
    def evaluations(self) -> int:
        return 1 + len(AGAIN)

    @torch.no_grad()
    def strip(self, label: Tensor, seed: int, frames: int) -> Tensor:
        """The noise it starts from, then what each jump finds."""
        noise = Chance.drawing(label, seed).normal(0, self.shape.channels, self.shape.side, self.shape.side)
        seen = [noise.clamp(-1, 1), *self._drawn(label, seed)]
        return torch.stack([seen[k] for k in evenly(len(seen), frames)])


def consistency(shape: Shape, teacher: Learner | None) -> Learner:
    assert isinstance(teacher, Diffusion)
    return Consistency(shape, teacher)


FAMILY = Family(
    "Consistency model", "diffusion", "arXiv:2303.01469, eq. 7",
    "A trained diffusion model is taught to jump: from any point on the way from noise to picture straight "
    "to the end. It draws in one or two steps what its teacher draws in thirty-five.",
    consistency, needs="edm", plan={"learning_rate": 5e-4, "warmup": 50},
)  # fmt: skip
