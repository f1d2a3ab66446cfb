"""The loop: N + M steps equal N, stop, M, to the bit; a bad loss stops it with the last checkpoint kept."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from training.loop import Plan, train, training

ROOT = Path(__file__).parents[2]


class Line(nn.Module):
    """Least squares on y = 3x + 1."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.map = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.1), nn.Linear(8, 1))

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.map(x) - y).square().mean()}


class LineTask:
    def __init__(self, bad_from: int = 10**9) -> None:
        self.module = Line()
        self.bad_from = bad_from

    def batch(self, step: int, rank: int) -> tuple[Tensor, ...]:
        x = torch.randn(16, 1, generator=torch.Generator().manual_seed(step))
        return x, 3 * x + 1 + (float("nan") if step >= self.bad_from else 0)

    def sample(self) -> Image.Image:
        return Image.new("RGB", (4, 4))


def plan(steps: int) -> Plan:
    return Plan(
        steps=steps,
        learning_rate=1e-2,
        warmup=5,
        decay_from=1,
        save_every=10,
        sample_every=20,
        log_every=5,
        ema=0.9,
        precision="no",
    )


def weights(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def test_a_resumed_run_is_the_unbroken_run(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = weights(train(LineTask(), plan(40), tmp_path / "whole"))
    torch.manual_seed(0)
    train(LineTask(), plan(20), tmp_path / "halves")
    torch.manual_seed(123)  # a new process knows nothing of the old one's random state
    halves = weights(train(LineTask(), plan(40), tmp_path / "halves"))
    assert all(torch.equal(a, b) for a, b in zip(whole, halves, strict=True))
    curves = [
        [json.loads(line)["loss"] for line in (tmp_path / run / "curve.jsonl").read_text().splitlines()]
        for run in ("whole", "halves")
    ]
    assert curves[0] == curves[1] and len(curves[0]) == 8


def test_it_learns_and_leaves_samples_and_the_two_newest_checkpoints(tmp_path: Path) -> None:
    train(LineTask(), plan(200), tmp_path)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0] / 4
    assert (tmp_path / "samples" / "000200.png").exists()
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["0000190", "0000200"]


def test_a_loss_that_is_not_finite_stops_with_the_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="step 33"):
        train(LineTask(bad_from=32), plan(60), tmp_path)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir())[-1] == "0000030"


def test_a_killed_run_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    """Another process, killed between two steps by SIGKILL; what it had saved is all that is left."""
    torch.manual_seed(0)
    whole = weights(train(LineTask(), plan(40), tmp_path / "whole"))
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path / "killed"), "27"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as run:
        assert run.stdout and run.stdout.readline() == "27\n"
        run.kill()
    assert run.returncode == -signal.SIGKILL
    assert [p.name for p in sorted((tmp_path / "killed/checkpoints").iterdir())] == ["0000010", "0000020"]
    torch.manual_seed(99)
    again = weights(train(LineTask(), plan(40), tmp_path / "killed"))
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))


def test_a_full_disk_stops_with_the_last_good_checkpoint(tmp_path: Path) -> None:
    """A process that may write no more than 2 kB a file from step 25 on."""
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path), "25", "full"]
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert said.returncode == 1
    assert "checkpoint of step 30 could not be saved" in said.stderr and "step 20 stays" in said.stderr
    assert [p.name for p in sorted((tmp_path / "checkpoints").iterdir())] == ["0000010", "0000020"]
    torch.manual_seed(0)
    train(LineTask(), plan(40), tmp_path)  # room again: it goes on


def test_whoever_asks_for_the_steps_may_stop_between_them(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = weights(train(LineTask(), plan(40), tmp_path / "whole"))
    torch.manual_seed(0)
    steps = training(LineTask(), plan(40), tmp_path / "stopped")
    assert [next(steps).step for _ in range(13)] == list(range(1, 14))
    steps.close()
    assert (tmp_path / "stopped/checkpoints/0000013").is_dir()
    task = LineTask()
    rest = list(training(task, plan(40), tmp_path / "stopped"))
    assert [p.step for p in rest] == list(range(14, 41)) and rest[0].of == 40
    assert all(torch.equal(a, b) for a, b in zip(whole, weights(task.module), strict=True))


def test_a_batch_in_parts_teaches_what_the_whole_one_does(tmp_path: Path) -> None:
    found = []
    for parts in (1, 4):
        task = LineTask()
        task.module.map[1] = nn.Identity()  # dropout would draw for each part
        train(task, replace(plan(20), accumulate=parts), tmp_path / str(parts))
        found.append(weights(task.module))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="accumulate: got 3; allowed: a divisor of the batch's 16"):
        train(LineTask(), replace(plan(20), accumulate=3), tmp_path / "3")


def test_runs_of_different_precision_follow_each_other_in_one_process(tmp_path: Path) -> None:
    for precision in ("no", "bf16", "no"):
        train(LineTask(), replace(plan(4), precision=precision), tmp_path / precision)


def test_minutes_end_a_run_with_the_learning_rate_at_nought(tmp_path: Path) -> None:
    timed = replace(plan(10**6), minutes=0.3 / 60, decay_from=0.5)
    seen = list(training(LineTask(), timed, tmp_path))
    assert 10 < len(seen) < 10**5 and seen[-1].step == seen[-1].of
    assert len(list(training(LineTask(), timed, tmp_path))) == 0  # they are spent, also after a restart
    assert timed.rate(99, 0.15) == 1e-2 and timed.rate(99, 0.225) == pytest.approx(5e-3)
    assert timed.rate(99, 0.2999) < 1e-5


def test_the_learning_rate_rises_stays_and_falls() -> None:
    p = Plan(steps=100, learning_rate=1.0, warmup=10, decay_from=0.5)
    assert p.rate(0) == pytest.approx(0.1)
    assert p.rate(10) == p.rate(49) == 1.0
    assert p.rate(75) == pytest.approx(0.5)
    assert p.rate(99) == pytest.approx(0.02)
