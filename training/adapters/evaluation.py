"""What the starter's adapters are worth: the same held-out prompts and seeds with and without each.

Knows no training of adapters.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn

from adapters import Use, attached, hinted, load_controlnet, load_lora
from models import Parts
from training.adapters.looks import LOOKS
from training.adapters.scenes import MAPS, edges
from training.data.scenes import render, scene_at
from training.starter.codes import to_grid, to_tensor
from training.starter.evaluation import HOW, SEED, SINGLES, cases, draw_cases, interval, placed
from training.starter.guided import good_settings
from training.starter.judge import JudgeNet, detect

COUNT = 100  # prompts, of single objects
SHOWN = 8  # of each grid
NEAR = 1  # pixel: an edge this near to another is the same
DIFFERENT = 40  # of 441: a colour this far from the background's is not background
STYLES = (None, *LOOKS)


class StyleNet(nn.Module):
    """(B, 3, 128, 128) in [-1, 1] -> (B, len(STYLES)) logits. Its first layers see pixels as they are: styles
    differ in what is small."""

    def __init__(self, wide: int = 48) -> None:
        super().__init__()
        layers, before = [], 3
        for after in (wide, wide, 2 * wide, 2 * wide):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.SiLU()]
            before = after
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(before, len(STYLES))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.trunk(pixels).mean((2, 3)))


class StyleObjective(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = StyleNet()

    def forward(self, pixels: Tensor, style: Tensor) -> dict[str, Tensor]:
        logits = self.net(pixels).float()
        loss = nn.functional.cross_entropy(logits, style)
        return {"loss": loss, "right": (logits.argmax(1) == style).float().mean()}


class StyleTask:
    """Rendered scenes, a fifth of them in no style, slightly blurred as pictures of a generator may be."""

    def __init__(self, seed: int, batch: int) -> None:
        self.module = StyleObjective()
        self.seed, self.size = seed, batch

    def batch(self, step: int, rank: int) -> tuple[Tensor, ...]:
        rng = np.random.default_rng((self.seed, 17, step, rank))
        which = rng.integers(len(STYLES), size=self.size)
        pixels = np.stack([styled(STYLES[k], rng, self.seed) for k in which])
        x = to_tensor(pixels)
        blurred = nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        mix = torch.from_numpy(rng.uniform(0, 1, (self.size, 1, 1, 1))).float()
        return x + mix * (blurred - x), torch.from_numpy(which)

    def sample(self) -> None:
        return None


def styled(style: str | None, rng: np.random.Generator, seed: int) -> np.ndarray:
    """A scene of the training set ``seed`` in ``style``: (128, 128, 3) uint8."""
    while True:
        scene, pixels, _ = scene_at(int(rng.integers(2**40)), seed)
        if scene.style is None:
            return LOOKS[style](pixels, rng) if style else pixels


class Measure:
    """One starter, its prompts, and who judges them."""

    def __init__(self, parts: Parts, objects: JudgeNet, styles: StyleNet, count: int) -> None:
        self.parts, self.objects, self.styles = parts, objects.cpu(), styles.cpu()
        self.wanted = cases()[: min(SINGLES, count)]
        self.scenes = placed(self.wanted, np.random.default_rng(SEED + 3))
        self.plain = self.draw()

    def draw(self, beside: Callable[[range], AbstractContextManager[object]] = nullcontext) -> Tensor:
        return draw_cases(self.parts, self.wanted, beside=beside)

    def right(self, pictures: Tensor) -> dict[str, float]:
        """How often the asked object is seen."""
        seen = detect(self.objects, pictures)
        return interval(bool(s) and s[0].thing == case.scene.objects[0].thing
                        for s, case in zip(seen, self.wanted, strict=True))  # fmt: skip

    @torch.no_grad()
    def of_style(self, pictures: Tensor, style: str) -> dict[str, float]:
        told = self.styles(pictures.float()).argmax(1)
        return interval((told == STYLES.index(style)).tolist())

    def lora(self, file: Path, style: str) -> tuple[dict[str, Any], Tensor]:
        """Figures with and without the LoRA in ``file``, and the pictures with it."""
        lora = load_lora(file, self.parts)
        pictures = self.draw(lambda rows: attached(self.parts.unet, "unet", [(Use(lora, 1.0),)]))
        rngs = (np.random.default_rng(k) for k in range(len(self.scenes)))
        true = [LOOKS[style](render(scene, rng), rng) for scene, rng in zip(self.scenes, rngs, strict=True)]
        true = to_tensor(np.stack(true))
        figures = {
            "style with": self.of_style(pictures, style),
            "style without": self.of_style(self.plain, style),
            "style, true pictures": self.of_style(true, style),
            "object with": self.right(pictures),
            "object without": self.right(self.plain),
            "object, true pictures": self.right(true),
            "parameters": sum(p.down.numel() + p.up.numel() for its in lora.patches.values()
                              for p in its.values() if p.down is not None),
            "of the U-Net's": sum(p.numel() for p in self.parts.unet.parameters()),
        }  # fmt: skip
        return figures, pictures

    def control(self, file: Path, kind: str) -> tuple[dict[str, Any], Tensor, Tensor]:
        """Figures with and without the ControlNet in ``file``; its maps, and the pictures with it."""
        net = load_controlnet(file, self.parts)
        true = [render(scene, np.random.default_rng(k)) for k, scene in enumerate(self.scenes)]
        maps = np.stack([MAPS[kind](s, picture) for s, picture in zip(self.scenes, true, strict=True)])
        hints = [
            net.hint(torch.from_numpy(m.copy()).permute(2, 0, 1).float() / 255, 1.0, False) for m in maps
        ]
        pictures = self.draw(
            lambda rows: hinted(self.parts.unet, [(hints[k],) for k in (*rows, *rows)])
        )  # fmt: skip
        figures = {
            "agreement with": agreement(kind, pictures, maps),
            "agreement without": agreement(kind, self.plain, maps),
            "agreement, true pictures": agreement(kind, to_tensor(np.stack(true)), maps),
            "object with": self.right(pictures),
            "object without": self.right(self.plain),
        }
        return figures, to_tensor(maps), pictures


def agreement(kind: str, pictures: Tensor, maps: np.ndarray) -> float:
    """Mean F1 of edges, or of what is not background; 1 where a picture follows its map to the pixel."""
    score = {"edges": edge_f1, "shapes": shape_f1}[kind]
    pixels = pictures.float().clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return round(float(np.mean([score(p, m) for p, m in zip(pixels, maps, strict=True)])), 4)


def edge_f1(picture: np.ndarray, wanted: np.ndarray) -> float:
    """Of the Canny edges of ``picture`` with those in ``wanted``, both (H, W, 3) uint8; ``NEAR`` is a hit."""
    got, asked = edges(None, picture)[..., 0] > 127, wanted[..., 0] > 127
    return f1(
        float((got & _wider(asked)).sum()), float(got.sum()), float((asked & _wider(got)).sum()),
        float(asked.sum()),
    )  # fmt: skip


def shape_f1(picture: np.ndarray, wanted: np.ndarray) -> float:
    """Of what stands out from the colour of the rim with what is painted in ``wanted``."""
    rim = np.concatenate([picture[:4].reshape(-1, 3), picture[-4:].reshape(-1, 3)]).astype(float)
    got = np.linalg.norm(picture - np.median(rim, 0), axis=2) > DIFFERENT
    asked = wanted.max(2) > 0
    both = float((got & asked).sum())
    return f1(both, float(got.sum()), both, float(asked.sum()))


def f1(right: float, got: float, found: float, asked: float) -> float:
    """From how many of what was got are right, and how many of what was asked were found."""
    precision, recall = right / max(got, 1.0), found / max(asked, 1.0)
    return 2 * precision * recall / max(precision + recall, 1e-9)


def _wider(mask: np.ndarray) -> np.ndarray:
    return ndimage.binary_dilation(mask, np.ones((3, 3)), NEAR)


def evaluate(
    parts: Parts,
    loras: Sequence[str],
    maps: Sequence[str],
    objects: JudgeNet,
    styles: StyleNet,
    out: Path,
    count: int = COUNT,
) -> dict[str, Any]:
    """Measure the adapters that are in the starter's folder; writes ``figures.json`` and grids into ``out``.

    ``loras`` are styles, ``maps`` the kinds of ControlNets.
    """
    measure = Measure(parts, objects, styles, count)
    out.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {name: good_settings(parts)[name] for name in HOW}
    figures["prompts"] = count
    rows = [measure.plain[:SHOWN]]
    for style in loras:
        figures[style], pictures = measure.lora(parts.path / "loras" / f"{style}.safetensors", style)
        rows.append(pictures[:SHOWN])
    _grid(rows, out / "styles.png")
    rows = [measure.plain[:SHOWN]]
    for kind in maps:
        figures[kind], asked, pictures = measure.control(
            parts.path / "controlnets" / f"{kind}.safetensors", kind
        )
        rows += [asked[:SHOWN], pictures[:SHOWN]]
    _grid(rows, out / "controls.png")
    (out / "prompts.txt").write_text("".join(f"{case.prompt}\n" for case in measure.wanted[:SHOWN]))
    (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    return figures


def _grid(rows: Sequence[Tensor], file: Path) -> None:
    sheet: Image.Image = to_grid(torch.cat([row.cpu().float() for row in rows]), SHOWN)
    sheet.save(file)
