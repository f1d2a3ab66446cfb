"""The judge: two independent ways to say which objects a picture shows, and where.

``JudgeNet`` is a small convolutional classifier over a 16 x 16 grid, trained on rendered scenes only, apart
from the generator. ``match_glyphs`` knows no learning: it slides every glyph of the font over the picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn

from training.data.glyphs import sized
from training.data.scenes import SIDE, scene_at
from training.data.vocabulary import COLOURS, THINGS
from training.starter.codes import to_tensor

CELLS = 16
NEAR = 12  # pixels: cells whose centre is this near to an object's centre carry its class


@dataclass(frozen=True)
class Seen:
    """One detected object: its index in ``THINGS``, centre in pixels, and the evidence for it."""

    thing: int
    x: float
    y: float
    score: float


def _block(wide: int, dilation: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(wide, wide, 3, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(wide), nn.SiLU(),
        nn.Conv2d(wide, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide),
    )  # fmt: skip


class JudgeNet(nn.Module):
    """(B, 3, 128, 128) in [-1, 1] -> (B, 1 + things, 16, 16) logits; class 0 is "no centre here"."""

    def __init__(self, wide: int = 112) -> None:
        super().__init__()
        stem, before = [], 3
        for after in (32, 64, wide):
            stem += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.SiLU()]
            before = after
        self.stem = nn.Sequential(*stem)
        self.blocks = nn.ModuleList(_block(wide, d) for d in (1, 2, 4, 2))
        self.head = nn.Conv2d(wide, 1 + len(THINGS), 1)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.stem(pixels)
        for block in self.blocks:
            x = x + block(x)
        return self.head(nn.functional.silu(x))


class JudgeObjective(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = JudgeNet()
        weight = torch.ones(1 + len(THINGS))
        weight[0] = 0.15  # most cells are empty
        self.register_buffer("weight", weight, persistent=False)
        self.weight: Tensor

    def forward(self, pixels: Tensor, grid: Tensor) -> dict[str, Tensor]:
        """pixels (B, 3, 128, 128); grid (B, 16, 16) class of each cell."""
        logits = self.net(pixels.contiguous(memory_format=torch.channels_last)).float()
        loss = nn.functional.cross_entropy(logits, grid, self.weight)
        there = grid > 0
        right = (logits.argmax(1) == grid)[there].float().mean()
        return {"loss": loss, "centres_right": right}


def grid_of(objects: list[tuple[int, int, int]]) -> np.ndarray:
    """(16, 16) classes from (thing, x, y) of each object."""
    centres = (np.arange(CELLS) + 0.5) * SIDE / CELLS
    grid = np.zeros((CELLS, CELLS), np.int64)
    for thing, x, y in objects:
        near = np.hypot(centres[None, :] - x, centres[:, None] - y) <= NEAR
        grid[near] = thing + 1
    return grid


Look: TypeAlias = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # of (H, W, 3) uint8


class JudgeTask:
    """Rendered scenes, slightly blurred, noised and recoloured, as pictures of a generator may be."""

    def __init__(self, seed: int, batch: int, looks: Sequence[Look] = ()) -> None:
        """Half of the scenes are put into one of ``looks``, if there are any."""
        self.module = JudgeObjective()
        self.seed, self.size, self.looks = seed, batch, looks

    def batch(self, step: int, rank: int) -> tuple[Tensor, ...]:
        rng = np.random.default_rng((self.seed, step, rank))
        pixels, grids = np.empty((self.size, SIDE, SIDE, 3), np.uint8), []
        for k in range(self.size):
            scene, pixels[k], _ = scene_at(int(rng.integers(2**40)), self.seed)
            if self.looks and scene.style is None and rng.random() < 0.5:
                pixels[k] = self.looks[int(rng.integers(len(self.looks)))](pixels[k], rng)
            grids.append(grid_of([(o.thing, o.x, o.y) for o in scene.objects]))
        x = to_tensor(pixels)
        blurred = nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        mix = torch.from_numpy(rng.uniform(0, 1, (self.size, 1, 1, 1))).float()
        noise = torch.from_numpy(rng.standard_normal(x.shape, np.float32))
        tint = torch.from_numpy(rng.normal(0, 0.04, (self.size, 3, 1, 1))).float()
        return x + mix * (blurred - x) + 0.05 * mix * noise + tint, torch.from_numpy(np.stack(grids))

    def sample(self) -> None:
        return None


@torch.no_grad()
def detect(net: JudgeNet, pixels: Tensor) -> list[list[Seen]]:
    """Objects in each picture of (B, 3, 128, 128) in [-1, 1], strongest first."""
    chances = net(pixels).float().softmax(1).cpu().numpy()  # (B, 1 + things, 16, 16)
    return [_objects(one) for one in chances]


def _objects(chances: np.ndarray) -> list[Seen]:
    """Connected groups of cells that agree there is a centre; the group votes for its class."""
    present = 1 - chances[0] > 0.5
    labels, count = ndimage.label(present, np.ones((3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
    seen = []
    for k in range(1, count + 1):
        rows, columns = np.nonzero(labels == k)
        votes = chances[1:, rows, columns].sum(1)
        if votes.max() < 1.0:  # less than one sure cell
            continue
        weight = 1 - chances[0, rows, columns]
        x = float((columns + 0.5) @ weight / weight.sum() * SIDE / CELLS)
        y = float((rows + 0.5) @ weight / weight.sum() * SIDE / CELLS)
        seen.append(Seen(int(votes.argmax()), x, y, float(votes.max())))
    return sorted(seen, key=lambda s: -s.score)


def background_colour(pixels: np.ndarray) -> str | None:
    """The plain colour behind a (128, 128, 3) uint8 picture, or None if its rim is not of one colour.

    The rim is 5 pixels wide; at least 80 % of it must lie within 40 (of 441) of its median, and the median
    within 60 of a named colour.
    """
    rim = np.concatenate([pixels[:5].reshape(-1, 3), pixels[-5:].reshape(-1, 3),
                          pixels[:, :5].reshape(-1, 3), pixels[:, -5:].reshape(-1, 3)])  # fmt: skip
    rim = rim.astype(float)
    middle = np.median(rim, 0)
    if (np.linalg.norm(rim - middle, axis=1) <= 40).mean() < 0.8:
        return None
    distance = {name: float(np.linalg.norm(middle - rgb)) for name, rgb in COLOURS.items()}
    nearest = min(distance, key=lambda name: distance[name])
    return nearest if distance[nearest] <= 60 else None


SIZES = (17, 20, 24, 28, 33, 39, 46, 54)  # sides of the templates, at half resolution


def _template(character: str, side: int) -> tuple[np.ndarray, np.ndarray]:
    glyph = np.asarray(sized(character, 2 * side).resize((side, side), Image.Resampling.BOX), np.float32)
    return glyph[..., :3] / 127.5 - 1, glyph[..., 3] / 255


@torch.no_grad()
def match_glyphs(pixels: Tensor) -> list[tuple[int, float]]:
    """The glyph that best explains each single-object picture of (B, 3, 128, 128): (index in THINGS, cosine).

    With D the picture minus its background b (the median of its rim) and a glyph G of opacity A laid over b,
    the score is the cosine between D and A (G - b), the greatest over all positions and ``SIZES``, at half
    resolution.
    """
    half = nn.functional.avg_pool2d(pixels.float(), 2)
    rim = torch.cat([half[..., :3, :].flatten(2), half[..., -3:, :].flatten(2)], 2)
    ground = rim.median(2).values  # (B, 3)
    shown = half - ground[..., None, None]
    energy = shown.square().sum((1, 2, 3)).clamp_min(1e-3)  # (B,)
    best = torch.full((len(pixels), len(THINGS)), -1.0)
    conv = nn.functional.conv2d
    for side in SIZES:
        glyphs = [_template(thing.glyph, side) for thing in THINGS]
        colour = torch.from_numpy(np.stack([g for g, _ in glyphs])).permute(0, 3, 1, 2)  # (K, 3, s, s)
        mask = torch.from_numpy(np.stack([m for _, m in glyphs]))[:, None]  # (K, 1, s, s)
        cross = conv(shown, mask * colour) - conv(
            (shown * ground[..., None, None]).sum(1, keepdim=True), mask
        )
        over = mask[None] * (colour[None] - ground[:, None, :, None, None])  # (B, K, 3, s, s)
        power = over.square().sum((2, 3, 4))  # (B, K)
        best = torch.maximum(best, cross.amax((2, 3)) / (power * energy[:, None]).sqrt())
    value, index = best.max(1)
    return [(int(i), float(v)) for i, v in zip(index, value, strict=True)]
