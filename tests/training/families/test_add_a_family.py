"""docs/add-a-family.md, followed to the letter: its file made, its line read, its command given."""

import re
import shlex
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import app
from training.families import FAMILIES
from training.run import load_run

PAGE = (Path(__file__).parents[3] / "docs" / "add-a-family.md").read_text("utf-8")


def test_the_page_makes_a_family_that_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, line = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[:2]
    (tmp_path / "gaussian.py").write_text(file)
    spec = spec_from_file_location("gaussian", tmp_path / "gaussian.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    ((name, family),) = eval(line, {"gaussian": module}).items()
    monkeypatch.setitem(FAMILIES, name, family)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab.toml").write_text('data = "digits"\nfamily = "vae"\n')
    (command,) = re.findall(r"```\npython app.py (.*?)\n```", PAGE)
    told = shlex.split(command.replace("--set minutes=1", "--set steps=200"))
    result = CliRunner().invoke(app.app, told)
    assert result.exit_code == 0, result.output

    run = load_run(tmp_path / "runs/gaussian")
    label = torch.arange(10).repeat(20)
    drawn = run.learner.draw(label, 0)
    real = run.pictures.train.float().mean() / 127.5 - 1
    assert drawn.shape == (200, 1, 8, 8)
    assert (drawn.mean() - real).abs() < 0.3 and torch.equal(drawn, run.learner.draw(label, 0))
