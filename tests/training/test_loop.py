"""The loop: N + M steps equal N, stop, M, to the bit; a bad loss stops it with the last checkpoint kept."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from training.loop import Plan, train


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
    with pytest.raises(FloatingPointError, match="step 35"):
        train(LineTask(bad_from=32), plan(60), tmp_path)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir())[-1] == "0000030"


def test_the_learning_rate_rises_stays_and_falls() -> None:
    p = Plan(steps=100, learning_rate=1.0, warmup=10, decay_from=0.5)
    assert p.rate(0) == pytest.approx(0.1)
    assert p.rate(10) == p.rate(49) == 1.0
    assert p.rate(75) == pytest.approx(0.5)
    assert p.rate(99) == pytest.approx(0.02)
