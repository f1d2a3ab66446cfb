"""One training of one family on one data set: from a file of settings to a folder that can be drawn from."""

import json
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from pydantic import Field, model_validator
from safetensors.torch import load_file, save_file

from training.data.datasets import DATASETS, FOLDER, dataset
from training.data.pictures import Pictures
from training.families import FAMILIES, Family, Learner, Shape
from training.lesson import Lesson
from training.loop import Plan, Progress, processes, training
from training.record import CONFIG, record
from training.settings import Settings, read_values

WEIGHTS = "model.safetensors"


class RunConfig(Settings):
    """Everything that decides a run. What is None is the family's own, or the loop's."""

    data: str
    family: str
    batch: int | None = Field(None, ge=1, le=65_536)
    needs: Path | None = Field(None, description="a finished run of what the family needs")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.data not in DATASETS and not self.data.startswith(FOLDER):
            raise ValueError(f"data: got {self.data!r}; allowed: {', '.join(DATASETS)}, {FOLDER}PATH.")
        if self.family not in FAMILIES:
            raise ValueError(f"family: got {self.family!r}; allowed: {', '.join(FAMILIES)}.")
        if self.size % self.accumulate:
            raise ValueError(f"accumulate: got {self.accumulate}; allowed: a divisor of batch {self.size}.")
        return self

    @property
    def size(self) -> int:
        """Of a batch, over all processes."""
        return self.batch or FAMILIES[self.family].batch

    def plan(self) -> Plan:
        """The loop's: what is given here, else the family's, else its own."""
        own = {"learning_rate": 1e-3, "ema": 0.995, "warmup": 50, **FAMILIES[self.family].plan}
        return Plan(**(own | self.for_plan()))


def read_config(file: Path, changes: Sequence[str] = ()) -> RunConfig:
    """The settings of a TOML file, with ``changes`` as ``read_values`` has them. Raises ``ValueError``."""
    return RunConfig.read(read_values(file, changes))


@dataclass(frozen=True)
class Run:
    """A finished training: what it was, what it made (on the CPU, for drawing), and what from."""

    config: RunConfig
    learner: Learner
    pictures: Pictures


def running(config: RunConfig, folder: Path) -> Generator[Progress, None, None]:
    """Train into ``folder``, going on where an earlier try stopped; first what the family needs, unless the
    settings say where that is. Leaves ``config.json`` and ``model.safetensors``, the average weights.

    Raises ``ValueError`` where the folder holds another run, and what ``training`` raises.
    """
    pictures = dataset(config.data)
    record(config, pictures.sha256, folder)
    family, teacher = FAMILIES[config.family], None
    if family.needs is not None:
        before = config.needs or folder / family.needs
        if config.needs is None:
            yield from running(_needed(config, family.needs), before)
        teacher = _teacher(before, family.needs, config.data)
    ranks = processes().num_processes
    torch.manual_seed(config.seed)
    learner = family.build(shape_of(pictures), teacher)
    yield from training(Lesson(learner, pictures, config.size, config.seed, ranks), config.plan(), folder)
    if processes().is_main_process:
        _save(learner, folder / WEIGHTS)


def load_run(folder: Path) -> Run:
    """Raises ``ValueError`` where there is no finished run."""
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ValueError(f"{folder}: has no {name}; allowed: the folder of a finished run.")
    config = RunConfig.read(json.loads((folder / CONFIG).read_text("utf-8"))["settings"])
    pictures = dataset(config.data)
    learner = untaught(FAMILIES[config.family], shape_of(pictures))
    learner.load_state_dict(load_file(folder / WEIGHTS))
    return Run(config, learner.eval(), pictures)


def untaught(family: Family, shape: Shape) -> Learner:
    """A learner that knows nothing, and neither does what it needs: to load weights into."""
    needed = None if family.needs is None else untaught(FAMILIES[family.needs], shape)
    return family.build(shape, needed)


def shape_of(pictures: Pictures) -> Shape:
    _, channels, side, _ = pictures.train.shape
    return Shape(channels, side, len(pictures.classes), pictures.classes)


def _needed(config: RunConfig, family: str) -> RunConfig:
    """The run of what ``config``'s needs: as long, on the same data, otherwise that family's own."""
    kept = ("data", "steps", "minutes", "seed", "save_every", "sample_every", "log_every")
    return RunConfig.read({key: getattr(config, key) for key in kept} | {"family": family})


def _teacher(folder: Path, family: str, data: str) -> Learner:
    run = load_run(folder)
    if (run.config.family, run.config.data) != (family, data):
        got = f"{run.config.family} on {run.config.data}"
        raise ValueError(f"needs: got a run of {got} in {folder}; allowed: one of {family} on {data}.")
    return run.learner


def _save(learner: Learner, file: Path) -> None:
    weights = {k: v.detach().cpu().clone().contiguous() for k, v in learner.state_dict().items()}
    staged = file.with_suffix(".part")
    save_file(weights, staged)
    with staged.open("rb") as written:
        os.fsync(written.fileno())
    staged.replace(file)
