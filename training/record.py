"""What a run's folder says of how it was made, and that it stays the same run."""

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from training.loop import processes
from training.settings import Settings

CONFIG = "config.json"
LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "peft", "numpy", "scikit-learn")
FREE = {"steps", "minutes"}  # a run may go on for longer


def record(config: Settings, data_sha256: str, folder: Path, more: Mapping[str, Any] | None = None) -> None:
    """Write what is about to be done into ``folder``, or see that it is what was begun there, on the same
    data. Raises ``ValueError`` where it is not."""
    settings = config.model_dump(mode="json", exclude_none=True)
    file = folder / CONFIG
    if file.is_file():
        begun = json.loads(file.read_text("utf-8"))
        was = begun["settings"]
        other = [key for key in {*was, *settings} - FREE if was.get(key) != settings.get(key)]
        if begun["data_sha256"] != data_sha256 and not other:
            other = ["data: what it learns from has changed since"]
        if other:
            raise ValueError(
                f"{folder}: holds a run with another {', '.join(sorted(other))}; take a new folder."
            )
    if not processes().is_main_process:
        return
    versions = {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}
    about = {"settings": settings, "seed": config.seed, "versions": versions, "data_sha256": data_sha256}
    folder.mkdir(parents=True, exist_ok=True)
    staged = file.with_suffix(".part")
    with staged.open("w", encoding="utf-8") as out:
        out.write(json.dumps(about | dict(more or {}), indent=2) + "\n")
        out.flush()
        os.fsync(out.fileno())
    staged.replace(file)
