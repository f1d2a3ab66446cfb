"""The loop that trains everything here: mixed precision, EMA, curves, samples, exact resume.

A ``Task`` says what is learnt; the loop says how. Every random number of step n comes from (seed, n), so
a run that was stopped and resumed is the run that was not: N + M steps equal N, stop, M. Runs on whatever
``accelerate`` finds (CPU, GPU, several processes). The loop knows no data and no networks.
"""

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from PIL import Image
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from models.hardware import best_device, best_dtype


class Task(Protocol):
    """What is learnt. ``module.forward(*batch)`` returns scalars, ``{"loss": ...}`` the one to minimise."""

    @property
    def module(self) -> nn.Module: ...

    def batch(self, step: int, rank: int) -> tuple[Tensor, ...]:
        """The batch of one step on one process: a pure function of its arguments."""
        ...

    def sample(self) -> Image.Image | None:
        """A picture that shows the progress, from fixed inputs; called with the EMA weights in place."""
        ...


@dataclass(frozen=True)
class Plan:
    """How long and how fast. ``steps`` counts optimiser steps; ``decay_from`` is the fraction of them from
    which the learning rate falls linearly to zero (1 keeps it constant)."""

    steps: int
    learning_rate: float
    warmup: int = 100
    decay_from: float = 0.7
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
    save_every: int = 200
    sample_every: int = 500
    log_every: int = 20
    precision: str = "auto"  # what the device is fast at, or one of accelerate's names: "no", "bf16", "fp16"
    seed: int = 0

    @property
    def mixed(self) -> str:
        """``precision`` in accelerate's names."""
        names = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "no"}
        return names[best_dtype(best_device())] if self.precision == "auto" else self.precision

    def rate(self, step: int) -> float:
        """The learning rate of step ``step`` (0-based)."""
        rise = min(1.0, (step + 1) / max(self.warmup, 1))
        start = self.decay_from * self.steps
        fall = 1.0 if step < start else max(0.0, (self.steps - step) / max(self.steps - start, 1))
        return self.learning_rate * rise * fall


def train(task: Task, plan: Plan, folder: Path) -> nn.Module:
    """Train until ``plan.steps``, resuming from the newest checkpoint in ``folder``; leaves the EMA weights
    in ``task.module`` and returns it. Writes ``curve.jsonl``, ``samples/``,
    ``checkpoints/`` and TensorBoard's events into ``folder``.

    Raises ``FloatingPointError`` when the loss is no longer finite; the last checkpoint stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    accelerator = Accelerator(mixed_precision=plan.mixed, log_with="tensorboard", project_dir=str(folder))
    accelerator.init_trackers("tensorboard")
    module = task.module.to(accelerator.device)
    module = module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    learnt = [p for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        learnt, lr=plan.learning_rate, weight_decay=plan.weight_decay, betas=(0.9, 0.99), fused=True
    )
    ema = EMAModel(learnt, decay=plan.ema, foreach=True)
    ema.to(accelerator.device)
    wrapped, optimiser = accelerator.prepare(module, optimiser)
    accelerator.register_for_checkpointing(ema)
    step = _resume(accelerator, folder)

    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                   TextColumn("{task.fields[loss]}"), disable=not accelerator.is_main_process)  # fmt: skip
    with bar:
        row = bar.add_task(folder.name, total=plan.steps, completed=step, loss="")
        began, began_at = time.monotonic(), step
        while step < plan.steps:
            for group in optimiser.param_groups:
                group["lr"] = plan.rate(step)
            batch = tuple(part.to(accelerator.device) for part in task.batch(step, accelerator.process_index))
            with accelerator.autocast():
                losses: dict[str, Tensor] = wrapped(*batch)
            accelerator.backward(losses["loss"])
            accelerator.clip_grad_norm_(learnt, plan.clip)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            ema.step(learnt)
            step += 1
            if step % plan.log_every == 0 or step == plan.steps:
                values = {name: round(value.item(), 6) for name, value in losses.items()}
                if not math.isfinite(values["loss"]):
                    raise FloatingPointError(f"The loss is {values['loss']} at step {step} of {folder}.")
                seconds = (time.monotonic() - began) / (step - began_at)
                _log(accelerator, folder, {"step": step, "seconds_per_step": round(seconds, 4), **values})
                bar.update(row, completed=step, loss=f"loss {values['loss']:.4f}")
            if step % plan.sample_every == 0 or step == plan.steps:
                file = folder / "samples" / f"{step:06d}.png"
                _with_ema(ema, learnt, partial(_sample, task, accelerator, file))
            if step % plan.save_every == 0 or step == plan.steps:
                _save(accelerator, folder, step)
    ema.copy_to(learnt)
    accelerator.end_training()
    return task.module


def _with_ema(ema: EMAModel, learnt: list[nn.Parameter], action: Callable[[], None]) -> None:
    ema.store(learnt)
    ema.copy_to(learnt)
    try:
        action()
    finally:
        ema.restore(learnt)


def _sample(task: Task, accelerator: Accelerator, file: Path) -> None:
    if not accelerator.is_main_process:
        return
    was_training = task.module.training
    task.module.eval()
    with torch.no_grad(), accelerator.autocast():
        picture = task.sample()
    task.module.train(was_training)
    if picture is not None:
        file.parent.mkdir(exist_ok=True)
        picture.save(file)


def _log(accelerator: Accelerator, folder: Path, row: dict[str, float]) -> None:
    if accelerator.is_main_process:
        with (folder / "curve.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        accelerator.log({k: v for k, v in row.items() if k != "step"}, step=int(row["step"]))


def _save(accelerator: Accelerator, folder: Path, step: int) -> None:
    """Stage, then rename: a checkpoint that has its final name is whole. The one before is kept."""
    final = folder / "checkpoints" / f"{step:07d}"
    staged = final.with_suffix(".part")
    accelerator.save_state(str(staged))
    accelerator.wait_for_everyone()  # every process has written its random state
    if accelerator.is_main_process:
        shutil.rmtree(final, ignore_errors=True)
        staged.rename(final)
        for old in sorted(p for p in final.parent.iterdir() if p.suffix == "")[:-2]:
            shutil.rmtree(old)
    accelerator.wait_for_everyone()


def _resume(accelerator: Accelerator, folder: Path) -> int:
    """Load the newest whole checkpoint, drop the curve's rows after it; returns its step (0 if none)."""
    if not (folder / "checkpoints").is_dir():
        return 0
    whole = sorted(p for p in (folder / "checkpoints").iterdir() if p.name.isdigit())
    if not whole:
        return 0
    accelerator.load_state(str(whole[-1]))
    step = int(whole[-1].name)
    curve = folder / "curve.jsonl"
    if curve.exists() and accelerator.is_main_process:
        rows = [line for line in curve.read_text().splitlines() if json.loads(line)["step"] <= step]
        curve.write_text("".join(row + "\n" for row in rows))
    return step
