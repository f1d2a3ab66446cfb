"""Checkpoints of the loop: whole or not there. Knows accelerate's state and a folder, not what is learnt."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

if TYPE_CHECKING:
    from accelerate import Accelerator

KEPT = 2  # the newest, and the one before it
SPENT = "spent.json"


@dataclass
class Spent:
    """Seconds of training so far, over all of its parts."""

    seconds: float = 0.0
    steps: int = 0

    @property
    def per_step(self) -> float:
        return self.seconds / max(self.steps, 1)

    def add(self, seconds: float) -> None:
        """Of one more step."""
        self.seconds += seconds
        self.steps += 1


def save(accelerator: "Accelerator", folder: Path, step: int, spent: Spent) -> None:
    """Stage, then rename: a checkpoint that has its final name is whole. The one before is kept.

    Raises ``OSError`` that says what stays when it cannot be written.
    """
    final = folder / "checkpoints" / f"{step:07d}"
    staged = final.with_suffix(".part")
    try:
        accelerator.save_state(str(staged))
        accelerator.wait_for_everyone()  # every process has written its random state
        if accelerator.is_main_process:
            (staged / SPENT).write_text(json.dumps({"seconds": spent.seconds, "steps": spent.steps}))
            _settle(staged)
            shutil.rmtree(final, ignore_errors=True)
            staged.rename(final)
            _sync(final.parent)
            for old in _whole(folder)[:-KEPT]:
                shutil.rmtree(old)
    except (OSError, SafetensorError, RuntimeError) as error:  # torch's writer has only a RuntimeError
        shutil.rmtree(staged, ignore_errors=True)
        there = _whole(folder)
        stays = f"the one of step {int(there[-1].name)} stays" if there else "there is none"
        raise OSError(f"The checkpoint of step {step} could not be saved ({error}); {stays}.") from error
    accelerator.wait_for_everyone()


def resume(accelerator: "Accelerator", folder: Path, spent: Spent) -> int:
    """Load the newest whole checkpoint, drop the curve's rows after it; returns its step (0 if none)."""
    whole = _whole(folder)
    step = int(whole[-1].name) if whole else 0
    if whole:
        accelerator.load_state(str(whole[-1]))
        if (file := whole[-1] / SPENT).exists():  # those of before had none
            kept = json.loads(file.read_text())
            spent.seconds, spent.steps = kept["seconds"], kept["steps"]
    curve = folder / "curve.jsonl"
    if curve.exists() and accelerator.is_main_process:
        rows = [line for line in curve.read_text().splitlines() if _step(line) <= step]
        curve.write_text("".join(row + "\n" for row in rows))
    return step


def _whole(folder: Path) -> list[Path]:
    return sorted(p for p in (folder / "checkpoints").glob("*") if p.name.isdigit())


def _step(line: str) -> float:
    """Of a row of the curve; one that was torn when the process was killed is of no step."""
    try:
        return json.loads(line)["step"]
    except json.JSONDecodeError:
        return float("inf")


def _settle(folder: Path) -> None:
    """Bring every file of ``folder``, and its names, to the disk."""
    for file in folder.rglob("*"):
        _sync(file)
    _sync(folder)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
