"""The loop that trains everything here: mixed precision, EMA, curves, samples, exact resume.

A ``Task`` says what is learnt; the loop says how. Every random number of step n comes from (seed, n), so
a run that was stopped and resumed is the run that was not: N + M steps equal N, stop, M. Runs on whatever
``accelerate`` finds (CPU, GPU, several processes). The loop knows no data and no networks.
"""

import json
import math
import time
from collections.abc import Callable, Generator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from PIL import Image
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from torch import Tensor, nn

from models.hardware import best_device, best_dtype
from models.torchvision_guard import guard_torchvision
from training.checkpoints import Spent, resume, save

if TYPE_CHECKING:  # imported where they are used: seconds, and only for who trains
    from accelerate import Accelerator
    from accelerate.state import PartialState
    from diffusers.training_utils import EMAModel


class Task(Protocol):
    """What is learnt. ``module.forward(*batch)`` returns scalars, ``{"loss": ...}`` the one to minimise."""

    @property
    def module(self) -> nn.Module: ...

    def batch(self, step: int, rank: int) -> tuple[Tensor, ...]:
        """The batch of one step on one process: a pure function of its arguments. Row k of each tensor is of
        example k."""
        ...

    def sample(self) -> Image.Image | None:
        """A picture that shows the progress, from fixed inputs; called with the EMA weights in place."""
        ...


@dataclass(frozen=True)
class Progress:
    """One optimiser step, done: ``step`` of ``of`` (an estimate where minutes are what ends the run)."""

    step: int
    of: int
    losses: dict[str, float]
    seconds_per_step: float


@dataclass(frozen=True)
class Plan:
    """How long and how fast. ``steps`` counts optimiser steps; ``decay_from`` is the fraction of them from
    which the learning rate falls linearly to zero (1 keeps it constant). With ``minutes``, that many of
    training end the run too, and the learning rate falls towards whichever end comes first."""

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
    betas: tuple[float, float] = (0.9, 0.99)  # of AdamW
    accumulate: int = 1  # parts that a batch is learnt in
    minutes: float | None = None

    @property
    def mixed(self) -> str:
        """``precision`` in accelerate's names."""
        names = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "no"}
        return names[best_dtype(best_device())] if self.precision == "auto" else self.precision

    def done(self, step: int, seconds: float = 0.0) -> float:
        """How many of ``steps`` are behind: ``step``, or as many as ``seconds`` are of ``minutes``."""
        return step if self.minutes is None else max(step, self.steps * seconds / (60 * self.minutes))

    def rate(self, step: int, seconds: float = 0.0) -> float:
        """The learning rate of step ``step`` (0-based), after ``seconds`` of training."""
        rise = min(1.0, (step + 1) / max(self.warmup, 1))
        start, done = self.decay_from * self.steps, self.done(step, seconds)
        fall = 1.0 if done < start else max(0.0, (self.steps - done) / max(self.steps - start, 1))
        return self.learning_rate * rise * fall


def train(task: Task, plan: Plan, folder: Path) -> nn.Module:
    """``training`` to its end, with a bar; returns ``task.module`` with its EMA weights."""
    bar = Bar(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
              TextColumn("{task.fields[loss]}"), disable=not processes().is_main_process)  # fmt: skip
    with bar:
        row = bar.add_task(folder.name, total=plan.steps, loss="")
        for at in training(task, plan, folder):
            if at.step % plan.log_every == 0 or at.step == at.of:
                bar.update(row, completed=at.step, total=at.of, loss=f"loss {at.losses['loss']:.4f}")
    return task.module


def training(task: Task, plan: Plan, folder: Path) -> Generator[Progress, None, None]:
    """Train until ``plan`` ends, resuming from the newest checkpoint in ``folder``; says so after every
    optimiser step. Leaves the EMA weights in ``task.module``. Closed before, it keeps what was learnt in a
    checkpoint. Time between two steps is not counted.

    Writes ``curve.jsonl``, ``samples/``, ``checkpoints/`` and TensorBoard's events into ``folder``. Raises
    ``FloatingPointError`` when the loss is no longer finite and ``OSError`` when the disk takes no more; the
    last checkpoint stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    course = _Course(task, plan, folder)
    step = course.step
    try:
        while plan.done(step, course.spent.seconds) < plan.steps:
            began = time.monotonic()
            losses = course.learn(step)
            course.spent.add(time.monotonic() - began)
            step += 1
            done = plan.done(step, course.spent.seconds)
            last = done >= plan.steps
            progress = Progress(
                step, step if last else round(step * plan.steps / done), losses, course.spent.per_step
            )
            course.record(progress, last)
            yield progress
    except GeneratorExit:
        course.keep(step)
        raise
    finally:
        course.accelerator.end_training()
    course.ema.copy_to(course.learnt)


class _Course:
    """One training under way: what accelerate, the optimiser and the average hold."""

    def __init__(self, task: Task, plan: Plan, folder: Path) -> None:
        self.task, self.plan, self.folder = task, plan, folder
        self.accelerator = accelerator = _accelerator(plan.mixed, folder)
        module = task.module.to(accelerator.device)
        module = module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.learnt = [p for p in module.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(
            self.learnt, lr=plan.learning_rate, weight_decay=plan.weight_decay, betas=plan.betas, fused=True
        )
        guard_torchvision()
        from diffusers.training_utils import EMAModel

        self.ema = EMAModel(self.learnt, decay=plan.ema, foreach=True)
        self.ema.to(accelerator.device)
        self.wrapped, self.optimiser = accelerator.prepare(module, optimiser)
        accelerator.register_for_checkpointing(self.ema)
        self.spent = Spent()
        self.kept = self.step = resume(accelerator, folder, self.spent)

    def learn(self, step: int) -> dict[str, float]:
        """One optimiser step, in ``plan.accumulate`` parts; returns the losses."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate(step, self.spent.seconds)
        batch = [p.to(self.accelerator.device) for p in self.task.batch(step, self.accelerator.process_index)]
        parts = _parts(batch, self.plan.accumulate)
        total: dict[str, Tensor] = {}
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.wrapped):
                with self.accelerator.autocast():
                    losses: dict[str, Tensor] = self.wrapped(*part)
                self.accelerator.backward(losses["loss"] / len(parts))
            total = {k: total.get(k, 0) + v.detach().float() / len(parts) for k, v in losses.items()}
        values = self._values(total)
        if not math.isfinite(values["loss"]):
            raise FloatingPointError(f"The loss is {values['loss']} at step {step + 1} of {self.folder}.")
        self.accelerator.clip_grad_norm_(self.learnt, self.plan.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.ema.step(self.learnt)
        return values

    def _values(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """As numbers, the mean over processes."""
        stacked = torch.stack(list(losses.values()))
        if self.accelerator.num_processes > 1:
            stacked = self.accelerator.reduce(stacked, "mean")
        assert isinstance(stacked, Tensor)
        return dict(zip(losses, stacked.tolist(), strict=True))

    def record(self, at: Progress, last: bool) -> None:
        """What is due after a step: a row of the curve, a sample, a checkpoint."""
        if at.step % self.plan.log_every == 0 or last:
            values = {name: round(value, 6) for name, value in at.losses.items()}
            row = {"step": at.step, "seconds_per_step": round(at.seconds_per_step, 4), **values}
            _log(self.accelerator, self.folder, row)
        if at.step % self.plan.sample_every == 0 or last:
            file = self.folder / "samples" / f"{at.step:06d}.png"
            _with_ema(self.ema, self.learnt, partial(_sample, self.task, self.accelerator, file))
        if at.step % self.plan.save_every == 0 or last:
            self.keep(at.step)

    def keep(self, step: int) -> None:
        """Save a checkpoint, if this step has none."""
        if step == self.kept:
            return
        if not all(bool(weight.isfinite().all()) for weight in self.learnt):
            raise FloatingPointError(f"A weight is not finite at step {step} of {self.folder}.")
        save(self.accelerator, self.folder, step, self.spent)
        self.kept = step


def _parts(batch: list[Tensor], count: int) -> list[tuple[Tensor, ...]]:
    """``batch`` in ``count`` equal parts."""
    if count == 1:
        return [tuple(batch)]
    if any(len(tensor) % count for tensor in batch):
        raise ValueError(f"accumulate: got {count}; allowed: a divisor of the batch's {len(batch[0])}.")
    return list(zip(*(tensor.chunk(count) for tensor in batch), strict=True))


def processes() -> "PartialState":
    """Who else trains this. On a machine without a GPU accelerate has to be told so: left to itself it makes
    each launched process a run of its own."""
    from accelerate.state import PartialState

    return PartialState(cpu=best_device().type == "cpu")


def _accelerator(mixed: str, folder: Path) -> "Accelerator":
    """accelerate has one state a process, which keeps the first precision: another run may want another."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != mixed:
        AcceleratorState._reset_state()
    processes()
    accelerator = Accelerator(
        cpu=best_device().type == "cpu",
        mixed_precision=mixed,
        log_with="tensorboard",
        project_dir=str(folder),
    )
    accelerator.init_trackers("tensorboard")
    return accelerator


def _with_ema(ema: "EMAModel", learnt: list[nn.Parameter], action: Callable[[], None]) -> None:
    ema.store(learnt)
    ema.copy_to(learnt)
    try:
        action()
    finally:
        ema.restore(learnt)


def _sample(task: Task, accelerator: "Accelerator", file: Path) -> None:
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


def _log(accelerator: "Accelerator", folder: Path, row: dict[str, float]) -> None:
    if accelerator.is_main_process:
        with (folder / "curve.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        accelerator.log({k: v for k, v in row.items() if k != "step"}, step=int(row["step"]))
