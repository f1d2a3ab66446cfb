"""A run: settings from a file, a folder that says how it was made, learners that draw as they did."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from training.data.datasets import DATASETS
from training.families import energy
from training.lesson import Lesson
from training.run import RunConfig, load_run, read_config, running

SMALL = {"data": "digits", "batch": 8, "steps": 6, "sample_every": 100, "precision": "no", "log_every": 1}
ROOT = Path(__file__).parents[2]


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "curve.jsonl").read_text().splitlines()]


def small(family: str, **more: object) -> RunConfig:
    return RunConfig.read(SMALL | {"family": family} | more)


def test_a_file_and_changes_to_it(tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_text('data = "digits"\nfamily = "vae"\nsteps = 10\n')
    found = read_config(file, ["family=gan", "minutes=0.5", "learning_rate=1e-3"])
    assert (found.data, found.family, found.steps, found.minutes) == ("digits", "gan", 10, 0.5)
    plan = found.plan()
    assert plan.learning_rate == 1e-3 and plan.betas == (0.0, 0.99) and plan.minutes == 0.5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("family=gna", "family: got 'gna'; allowed: ddpm-eps"),
        ("data=mnist", "data: got 'mnist'; allowed: digits, glyphs"),
        ("steps=0", "steps: got 0; input should be greater than or equal to 1"),
        ("steps=many", "steps: got 'many'"),
        ("stesp=3", "stesp: no such setting; allowed: data, family"),
        ("accumulate=5", "accumulate: got 5; allowed: a divisor of batch 32"),
        ("minutes=-1", "minutes: got -1"),
        ("family", "--set: got 'family'; allowed: key=value"),
    ],
)
def test_a_setting_that_is_wrong_is_named(tmp_path: Path, change: str, said: str) -> None:
    file = tmp_path / "lab.toml"
    file.write_text('data = "digits"\nfamily = "vae"\n')
    with pytest.raises(ValueError) as error:
        read_config(file, [change])
    assert said in str(error.value)


def test_a_folder_says_how_it_was_made_and_draws_as_the_run_did(tmp_path: Path) -> None:
    steps = list(running(small("vae"), tmp_path))
    assert [at.step for at in steps] == [1, 2, 3, 4, 5, 6]
    about = json.loads((tmp_path / "config.json").read_text())
    assert about["settings"]["family"] == "vae" and about["seed"] == 0
    assert about["data_sha256"] == DATASETS["digits"]().sha256
    assert {"python", "torch", "diffusers"} <= set(about["versions"])
    run = load_run(tmp_path)
    label = torch.arange(10)
    assert run.config == small("vae") and run.learner.draw(label, 0).shape == (10, 1, 8, 8)
    assert len(list(running(small("vae"), tmp_path))) == 0  # done is done
    assert torch.equal(load_run(tmp_path).learner.draw(label, 0), run.learner.draw(label, 0))
    with pytest.raises(ValueError, match="holds a run with another family, learning_rate"):
        next(running(small("gan", learning_rate=0.5), tmp_path))
    with pytest.raises(ValueError, match=r"has no config.json; allowed: the folder of a finished run"):
        load_run(tmp_path / "samples")


def test_what_is_needed_is_trained_first_or_taken(tmp_path: Path) -> None:
    steps = [at.step for at in running(small("transformer", steps=3), tmp_path / "a")]
    assert steps == [1, 2, 3, 1, 2, 3] and load_run(tmp_path / "a/vq-vae").config.family == "vq-vae"
    taken = small("transformer", steps=3, needs=str(tmp_path / "a/vq-vae"))
    assert [at.step for at in running(taken, tmp_path / "b")] == [1, 2, 3]
    learners = [load_run(tmp_path / name).learner for name in "ab"]
    label = torch.arange(4)
    assert torch.equal(learners[0].draw(label, 0), learners[1].draw(label, 0))
    wrong = small("latent", needs=str(tmp_path / "a/vq-vae"))
    with pytest.raises(ValueError, match="needs: got a run of vq-vae on digits"):
        list(running(wrong, tmp_path / "c"))


@pytest.mark.parametrize("family", ["ddpm-v", "gan", "energy", "vq-vae"])
def test_a_run_that_was_stopped_is_the_run_that_was_not(
    tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "LEARNING", 2)
    monkeypatch.setattr(energy, "DRAWING", 2)
    config = small(family)
    list(running(config, tmp_path / "whole"))
    steps = running(config, tmp_path / "halves")
    assert [next(steps).step for _ in range(3)] == [1, 2, 3]
    steps.close()
    torch.manual_seed(77)
    assert [at.step for at in running(config, tmp_path / "halves")] == [4, 5, 6]
    whole, halves = (load_run(tmp_path / name).learner.state_dict() for name in ("whole", "halves"))
    assert all(torch.equal(whole[key], halves[key]) for key in whole)
    assert losses(tmp_path / "whole") == losses(tmp_path / "halves")


def test_processes_share_one_batch() -> None:
    pictures = DATASETS["digits"]()
    learner = torch.nn.Identity()
    one, two = (Lesson(learner, pictures, 8, 3, n) for n in (1, 2))  # type: ignore[arg-type]
    whole, halves = one.batch(5, 0), [two.batch(5, rank) for rank in (0, 1)]
    for k in range(3):
        assert torch.equal(whole[k], torch.cat([half[k] for half in halves]))
    with pytest.raises(ValueError, match="batch: got 7; allowed: a multiple of the 2 processes"):
        Lesson(learner, pictures, 7, 3, 2)  # type: ignore[arg-type]


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    """As ``accelerate launch`` starts them: the same losses within rounding."""
    (tmp_path / "lab.toml").write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in SMALL.items()))
    for count in (1, 2):
        command = [
            sys.executable, "-m", "accelerate.commands.launch", *(["--multi_gpu"] if count > 1 else []),
            "--num_processes", str(count), "--num_machines", "1", "--mixed_precision", "no",
            "--dynamo_backend", "no", "app.py", "train", str(tmp_path / "lab.toml"), "--set", "family=vae",
            "--out", str(tmp_path / str(count)),
        ]  # fmt: skip
        alone = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
        done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    (last,) = (tmp_path / "2/checkpoints").glob("*6")
    assert (last / "random_states_1.pkl").exists()  # there were two, not twice one
    assert losses(tmp_path / "1") == pytest.approx(losses(tmp_path / "2"), rel=1e-4)
