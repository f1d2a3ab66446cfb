"""Pictures to tune on, and settings with which a tiny model learns in a second."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from training.tuning import TuningConfig
from training.tuning.run import read_tuning

QUICK = {
    "steps": 2, "batch": 4, "precision": "no", "ema": 0.0, "warmup": 1, "decay_from": 1.0, "log_every": 1,
    "sample_every": 1000, "save_every": 1000,
}  # fmt: skip
NEEDS: dict[str, dict[str, object]] = {
    "full": {"learning_rate": 3e-3},
    "lora": {"learning_rate": 1e-2},
    "qlora": {"learning_rate": 1e-2},
    "dreambooth": {"learning_rate": 1e-2, "prompt": "a zq cat", "class_prompt": "a cat", "class_pictures": 2},
    "textual-inversion": {"learning_rate": 0.1, "word": "zq", "initial": "cat"},
    "controlnet": {"learning_rate": 3e-3, "map": "canny"},
    "dpo": {"learning_rate": 1e-2, "beta": 100.0},
}
"""What a tuning needs, and how fast the tiny model learns by it."""


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One picture with its caption, and one pair of pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, colour in (("liked", "red"), ("other", "blue")):
        image = Image.new("RGB", (80, 80), "white")
        ImageDraw.Draw(image).ellipse((10, 20, 60, 70), fill=colour)
        image.save(folder / f"{name}.png")
    (folder / "alone").mkdir()
    (folder / "liked.png").replace(folder / "alone" / "liked.png")
    (folder / "alone" / "liked.txt").write_text("a cat")
    pair = {"prompt": "a cat", "chosen": "alone/liked.png", "rejected": "other.png"}
    (folder / "pairs.jsonl").write_text(json.dumps(pair))
    return folder


@pytest.fixture
def settings(pictures: Path, tiny_folder: Path) -> Callable[..., TuningConfig]:
    def read(kind: str, **more: Any) -> TuningConfig:
        where = pictures if kind == "dpo" else pictures / "alone"
        return read_tuning(
            {"tuning": kind, "folder": str(where), "model": str(tiny_folder)} | QUICK | NEEDS[kind] | more
        )

    return read
