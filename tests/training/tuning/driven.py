"""Tunings driven step by step."""

from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

import torch

from models import Parts, load
from training.tuning import TUNINGS, Tuned, TuningConfig

Result = TypeVar("Result")


def to_end(steps: Generator[Any, None, Result]) -> Result:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def begun(config: TuningConfig, folder: Path) -> tuple[Tuned, Parts]:
    kind = TUNINGS[config.tuning]
    parts = load(config.model, device="cpu", dtype=torch.float32)
    torch.manual_seed(0)
    return to_end(kind.begin(config, parts, kind.read(config.folder), folder)), parts
