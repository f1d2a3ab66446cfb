"""An energy model: one number says how unlikely a picture is, pictures roll downhill (arXiv:1903.08689)."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from training.families.chance import Chance
from training.families.diffusion import evenly
from training.families.family import Family, Learner, Shape
from training.families.networks import frozen, seen_in_squares

WIDTH = 32
KEPT = 1024  # pictures in the replay buffer
FRESH = 0.05  # of the starts are noise, the others come from the buffer (sec. 3.2)
LEARNING, DRAWING = 20, 160  # Langevin steps
STEP, NOISE = 0.1, 0.01  # along the slope, and of the noise: far colder than Langevin's, as the paper has it
STEEPEST = 1.0  # that a slope counts, a pixel (the paper's repository clips at 0.01 for its scale)
SMALL = 0.05  # alpha, the weight of the energies' size (sec. 3.3)


class Height(nn.Module):
    """E(x, class) (B,) of pictures x (B, C, H, W)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.down = nn.Sequential(*seen_in_squares(shape, WIDTH))
        self.seen = nn.Sequential(nn.SiLU(), nn.Flatten(), nn.Linear(WIDTH * 16, WIDTH), nn.SiLU())
        self.energies = nn.Linear(WIDTH, shape.classes)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.energies(self.seen(self.down(x))).gather(1, label[:, None])[:, 0]


class Energy(Learner):
    """p(x | class) is proportional to exp(-E)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.pixels = (shape.channels, shape.side, shape.side)
        self.energy = Height(shape)
        self.register_buffer("replay", torch.rand(KEPT, *self.pixels) * 2 - 1)
        self.register_buffer("replay_label", torch.randint(shape.classes, (KEPT,)))
        self.replay: Tensor
        self.replay_label: Tensor

    def forward(self, x: Tensor, label: Tensor, seed: Tensor) -> dict[str, Tensor]:
        """E(real) - E(made) + alpha (E(real)^2 + E(made)^2) (arXiv:1903.08689, eq. 5 and sec. 3.3)."""
        chance = Chance.of(seed, x)
        place = chance.integers(0, KEPT)
        fresh = (chance.uniform(1) < FRESH)[:, None, None, None]
        start = torch.where(fresh, chance.uniform(2, *self.pixels) * 2 - 1, self.replay[place])
        kinds = self.replay_label[place]
        made = self._roll(start, kinds, chance, LEARNING)[-1]
        if self.training:
            self.replay[place] = made
        real, fake = self.energy(x, label), self.energy(made, kinds)
        size = SMALL * (real.square() + fake.square()).mean()
        apart = real.mean() - fake.mean()
        return {"loss": apart + size, "apart": apart, "size": size}

    def _roll(self, x: Tensor, label: Tensor, chance: Chance, steps: int) -> list[Tensor]:
        """x, and where it is after each step: x - step dE/dx + noise (arXiv:1903.08689, eq. 1)."""
        still, way = frozen(self.energy), [x]
        noise = chance.normal(3, steps, *self.pixels)
        for k in range(steps):
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                energy = functional_call(self.energy, still, (x, label)).sum()
                (slope,) = torch.autograd.grad(energy, x)
            x = (x - STEP * slope.clamp(-STEEPEST, STEEPEST) + NOISE * noise[:, k]).clamp(-1, 1).detach()
            way.append(x)
        return way

    def draw(self, label: Tensor, seed: int) -> Tensor:
        return self._drawn(label, seed)[-1]

    def _drawn(self, label: Tensor, seed: int) -> list[Tensor]:
        chance = Chance.drawing(label, seed)
        return self._roll(chance.uniform(2, *self.pixels) * 2 - 1, label, chance, DRAWING)

    @property
    def evaluations(self) -> int:
        return DRAWING

    def strip(self, label: Tensor, seed: int, frames: int) -> Tensor:
        way = self._drawn(label, seed)
        return torch.stack([way[k] for k in evenly(len(way), frames)])


def energy(shape: Shape, teacher: Learner | None) -> Learner:
    return Energy(shape)


FAMILY = Family(
    "Energy model", "energy", "arXiv:1903.08689, eq. 1 and 5",
    "A network gives every picture a height, low where pictures are like the real ones. Drawing rolls noise "
    "downhill, with a little shaking. It is taught by lowering real pictures and raising those it rolls to.",
    energy, plan={"learning_rate": 5e-4, "precision": "no", "weight_decay": 0.0, "betas": (0.0, 0.99)},
)  # fmt: skip
