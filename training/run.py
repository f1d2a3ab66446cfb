"""One training of one family on one data set: from a file of settings to a folder that can be drawn from."""

import json
import os
import platform
import tomllib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors.torch import load_file, save_file

from training.data.datasets import DATASETS
from training.data.pictures import Pictures
from training.families import FAMILIES, Family, Learner, Shape
from training.lesson import Lesson
from training.loop import Plan, Progress, processes, training

CONFIG, WEIGHTS = "config.json", "model.safetensors"
LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "numpy", "scikit-learn")


class RunConfig(BaseModel):
    """Everything that decides a run. What is None is the family's own, or the loop's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    family: str
    steps: int = Field(1500, ge=1, le=10_000_000, description="optimiser steps")
    minutes: float | None = Field(None, gt=0, le=10_000, description="of training, if they end it earlier")
    batch: int | None = Field(None, ge=1, le=65_536)
    seed: int = Field(0, ge=0, lt=2**62)
    learning_rate: float | None = Field(None, gt=0, le=1)
    warmup: int | None = Field(None, ge=0)
    decay_from: float | None = Field(None, ge=0, le=1)
    weight_decay: float | None = Field(None, ge=0, le=1)
    clip: float | None = Field(None, gt=0)
    ema: float | None = Field(None, ge=0, lt=1)
    accumulate: int = Field(1, ge=1, le=1024)
    precision: Literal["auto", "no", "bf16", "fp16"] | None = None
    save_every: int | None = Field(None, ge=1)
    sample_every: int | None = Field(None, ge=1)
    log_every: int | None = Field(None, ge=1)
    needs: Path | None = Field(None, description="a finished run of what the family needs")

    @model_validator(mode="after")
    def _known(self) -> Self:
        for field, got, allowed in (("data", self.data, DATASETS), ("family", self.family, FAMILIES)):
            if got not in allowed:
                raise ValueError(f"{field}: got {got!r}; allowed: {', '.join(allowed)}.")
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
        given = self.model_dump(exclude={"data", "family", "batch", "needs"}, exclude_none=True)
        return Plan(**(own | given))

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Raises ``ValueError`` that names the field, what was got and what is allowed."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ValueError("; ".join(_told(fault) for fault in error.errors())) from None


def _told(fault: Mapping[str, Any]) -> str:
    if not fault["loc"]:
        return str(fault["ctx"]["error"])  # our own, which says all
    field = str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        return f"{field}: no such setting; allowed: {', '.join(RunConfig.model_fields)}."
    if fault["type"] == "missing":
        return f"{field}: got nothing; it is needed."
    return f"{field}: got {fault['input']!r}; {fault['msg'][0].lower()}{fault['msg'][1:]}."


def read_config(file: Path, changes: Sequence[str] = ()) -> RunConfig:
    """The settings of a TOML file, with ``changes`` as "key=value" (a value as TOML has it, or a plain word).

    Raises ``ValueError`` that says what is wrong.
    """
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file}: not TOML: {error}.") from None
    for change in changes:
        key, sign, value = change.partition("=")
        if not sign:
            raise ValueError(f"--set: got {change!r}; allowed: key=value.")
        try:
            values[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = value.strip()
    return RunConfig.read(values)


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
    pictures = DATASETS[config.data]()
    _echo(config, pictures, folder)
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
    pictures = DATASETS[config.data]()
    learner = untaught(FAMILIES[config.family], shape_of(pictures))
    learner.load_state_dict(load_file(folder / WEIGHTS))
    return Run(config, learner.eval(), pictures)


def untaught(family: Family, shape: Shape) -> Learner:
    """A learner that knows nothing, and neither does what it needs: to load weights into."""
    needed = None if family.needs is None else untaught(FAMILIES[family.needs], shape)
    return family.build(shape, needed)


def shape_of(pictures: Pictures) -> Shape:
    _, channels, side, _ = pictures.train.shape
    return Shape(channels, side, len(pictures.classes))


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


def _echo(config: RunConfig, pictures: Pictures, folder: Path) -> None:
    """Write what is about to be done, or see that it is what was begun here."""
    settings = config.model_dump(mode="json", exclude_none=True)
    file = folder / CONFIG
    if file.is_file():
        begun = json.loads(file.read_text("utf-8"))["settings"]
        free = {"steps", "minutes"}  # a run may go on for longer
        if other := [k for k in {*begun, *settings} - free if begun.get(k) != settings.get(k)]:
            raise ValueError(
                f"{folder}: holds a run with another {', '.join(sorted(other))}; take a new folder."
            )
    if not processes().is_main_process:
        return
    versions = {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}
    about = {"settings": settings, "seed": config.seed, "versions": versions, "data_sha256": pictures.sha256}
    folder.mkdir(parents=True, exist_ok=True)
    _write(file, json.dumps(about, indent=2) + "\n")


def _write(file: Path, text: str) -> None:
    staged = file.with_suffix(".part")
    with staged.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    staged.replace(file)


def _save(learner: Learner, file: Path) -> None:
    weights = {k: v.detach().cpu().clone().contiguous() for k, v in learner.state_dict().items()}
    staged = file.with_suffix(".part")
    save_file(weights, staged)
    with staged.open("rb") as written:
        os.fsync(written.fileno())
    staged.replace(file)
