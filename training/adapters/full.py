"""A LoRA against full fine-tuning: the same starter, style, scenes and minutes, measured on scenes held out.

What is measured is the loss itself: on scenes of the style, and on plain ones, which may be forgotten.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from models import Parts
from training.adapters.scenes import Learnt, coded, in_style
from training.adapters.tasks import MIN_SNR, Drawn, LoraTask, states_of
from training.loop import Plan, train
from training.report.comparison import number
from training.trials import curve_of
from training.tuning.denoising import Denoising

RATES = (1e-4, 4e-4)  # of full fine-tuning: a tenth to a half of what a LoRA takes, as is usual
BATCHES = 8  # of scenes held out
UNTUNED = "Nothing"


class FullTask:
    """The whole U-Net goes on learning (arXiv:2112.10752, eq. 3)."""

    def __init__(self, parts: Parts, learnt: Learnt, batch: int, seed: int) -> None:
        self.module = Denoising(parts.unet.float().requires_grad_(True), parts.parametrisation, MIN_SNR)
        self.drawn = Drawn(learnt, states_of(parts, [*learnt.texts, ""]), batch, seed)

    def batch(self, step: int, rank: int) -> tuple[torch.Tensor, ...]:
        return self.drawn(step, rank)[1:]

    def sample(self) -> Image.Image | None:
        return None


@dataclass(frozen=True)
class Row:
    """One way to tune: how many parameters learn, the steps that the minutes allowed, and the losses."""

    name: str
    parameters: int
    steps: int
    styled: float
    plain: float


def compared(
    fresh: Callable[[], Parts], style: str, scenes: int, rank: int, plan: Plan, batch: int, folder: Path
) -> Iterator[Row]:
    """The starter as it is, then tuned by a LoRA and in full at each of ``RATES``, as long as ``plan`` says.

    ``fresh`` loads the starter; ``plan`` is the LoRA's."""
    seed, held_out = plan.seed, BATCHES * batch
    learnt = coded(in_style(style, scenes, seed), scenes, seed, style)
    tests = [
        Drawn(some, states_of(fresh(), [*some.texts, ""]), batch, seed)
        for some in (
            coded(in_style(style, held_out, seed + 1), held_out, seed, f"{style}, held out"),
            coded(in_style(None, held_out, seed + 1), held_out, seed, "plain, held out"),
        )
    ]

    def row(name: str, module: Denoising, steps: int) -> Row:
        learns = sum(p.numel() for p in module.parameters() if p.requires_grad) if steps else 0
        return Row(name, learns, steps, *(_loss(module, test) for test in tests))

    start = fresh()
    yield row(UNTUNED, Denoising(start.unet.float(), start.parametrisation, MIN_SNR), 0)
    lora = LoraTask(fresh(), learnt, rank, batch, seed)
    yield row("A LoRA", lora.module, _steps(lora, plan, folder / "lora"))
    for rate in RATES:
        full = FullTask(fresh(), learnt, batch, seed)
        steps = _steps(full, replace(plan, learning_rate=rate), folder / f"full-{rate:g}")
        yield row(f"The whole U-Net, rate {rate:g}", full.module, steps)


def table(rows: list[Row], style: str, minutes: float) -> str:
    """As markdown."""
    of = max(row.parameters for row in rows)
    lines = [
        f"# A LoRA against full fine-tuning\n\nThe starter learns the style “{style}” for {minutes:g} "
        "minutes on two CPU cores, by `python -m training.adapters full`: the same scenes, batches and "
        "loss. The losses (min-SNR-5, on x0) are of scenes held out; on plain ones they say what was "
        "forgotten.\n",
        "| What learns | Parameters | Of the U-Net's | Steps | Loss, in the style ↓ | Loss, plain ↓ |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        share = f"{row.parameters / of:.2%}" if row.parameters else "–"
        lines.append(
            f"| {row.name} | {row.parameters:,} | {share} | {row.steps or '–'} "
            f"| {number(row.styled)} | {number(row.plain)} |"
        )
    return "\n".join(lines) + "\n"


def _steps(task: LoraTask | FullTask, plan: Plan, folder: Path) -> int:
    """Train; how many steps the minutes allowed."""
    train(task, plan, folder)
    return int(curve_of(folder)[-1]["step"])


@torch.no_grad()
def _loss(module: Denoising, test: Drawn) -> float:
    losses = [module(*test(step, 0)[1:])["loss"] for step in range(BATCHES)]
    return float(torch.stack(losses).mean())
