"""The command line: one file of settings tunes, and says what it leaves out."""

import json
from pathlib import Path

from typer.testing import CliRunner

from app import app
from tests.training.tuning.conftest import QUICK
from training.tuning import TUNINGS
from training.tuning.tuning import OF_SOME, TuningConfig

GUIDE = Path(__file__).parents[3] / "docs" / "training.md"


def test_a_file_of_settings_tunes(pictures: Path, tiny_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "cat.toml"
    values = QUICK | {"tuning": "lora", "model": str(tiny_folder), "folder": str(pictures)}
    file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
    run = ["train", str(file), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, [*run, "--set", "rank=2"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "result" / "lora.safetensors").is_file()
    assert "pairs.jsonl" in done.output  # is no picture
    wrong = CliRunner().invoke(app, [*run, "--set", "word=cat"])
    assert wrong.exit_code != 0 and "no setting of lora" in wrong.output


def test_the_guide_names_every_tuning_and_its_settings() -> None:
    guide = GUIDE.read_text("utf-8")
    assert all(f"| `{name}` |" in guide for name in TUNINGS)
    for name in OF_SOME:
        assert name in TuningConfig.model_fields and f"{name}" in guide
