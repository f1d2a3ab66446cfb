"""Numbers that diffusers' own tests publish for whole loops (full_loop_no_noise), reproduced.

Their model answers x t / (t + 1), whatever it is said to predict; their first x counts from 0 to 1. Left out
are their loops of Euler, Heun and LMS, which hand the scaled sample to the scheduler and are no valid loops,
and PNDM's, which starts otherwise than ours. DEIS with v is published as 0.091, UniPC as 0.2464 and 0.1014.
"""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from models.table import read_scheduler
from schedulers import Level, move, solve
from schedulers.level import CLEAN
from tests.schedulers.exact import silence

TABLE = read_scheduler({"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}).table.levels
LEADING = range(900, -1, -100)
LINSPACE = np.linspace(0, 999, 11).round().astype(int)[:0:-1].tolist()
FIRST = (torch.arange(768).reshape(3, 8, 8, 4) / 768).permute(3, 0, 1, 2)


class Model:
    """Their network as an estimate of x0; remembers its last question and answer."""

    def __init__(self, prediction: str, clip: bool) -> None:
        self.prediction, self.clip = prediction, clip
        self.answered = torch.empty(0)

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        t = TABLE.index(level)
        out = x * t / (t + 1)
        x0 = (
            (x - level.sigma * out) / level.alpha
            if self.prediction == "eps"
            else level.alpha * x - level.sigma * out
        )
        self.before, self.answered = self.answered, x0.clamp(-1, 1) if self.clip else x0
        self.asked = x
        return self.answered


def loop(sampler: str, model: Model, timesteps: Sequence[int], end: Level) -> Tensor:
    return solve(sampler, model, FIRST.double(), [*(TABLE[t] for t in timesteps), end], silence)


@pytest.mark.parametrize(("prediction", "total"), [("eps", 172.0067), ("v", 52.5302)])
def test_ddim(prediction: str, total: float) -> None:
    made = loop("ddim", Model(prediction, clip=True), LEADING, CLEAN)
    assert made.abs().sum().item() == pytest.approx(total, abs=2e-4)


@pytest.mark.parametrize(("prediction", "mean"), [("eps", 0.3301), ("v", 0.2251)])
def test_dpmpp_2m_down_to_the_least_noise(prediction: str, mean: float) -> None:
    made = loop("dpmpp-2m", Model(prediction, clip=False), LINSPACE, TABLE[0])
    assert made.abs().mean().item() == pytest.approx(mean, abs=5e-5)


@pytest.mark.parametrize(("prediction", "mean"), [("eps", 0.23916), ("v", 0.09107)])
def test_deis_with_a_last_step_of_first_order(prediction: str, mean: float) -> None:
    model = Model(prediction, clip=False)
    loop("deis-2", model, LINSPACE, CLEAN)  # ours is of first order only where no noise is left
    made = move(model.asked, model.answered, TABLE[LINSPACE[-1]], TABLE[0])
    assert made.abs().mean().item() == pytest.approx(mean, abs=5e-5)


@pytest.mark.parametrize(("prediction", "mean"), [("eps", 0.246395), ("v", 0.10140)])
def test_unipc_with_a_last_step_of_first_order(prediction: str, mean: float) -> None:
    model = Model(prediction, clip=False)
    end, a, before = TABLE[0], TABLE[LINSPACE[-1]], TABLE[LINSPACE[-2]]
    made = loop("unipc-2", model, LINSPACE, end)  # ours is of first order only where no noise is left
    slope = (end.log_snr - a.log_snr) / (a.log_snr - before.log_snr) / 2 * (model.answered - model.before)
    made = made - (end.alpha - end.sigma / a.sigma * a.alpha) * slope
    assert made.abs().mean().item() == pytest.approx(mean, abs=5e-6)


@pytest.mark.parametrize(("prediction", "total"), [("eps", 258.9606), ("v", 202.0296)])
def test_ddpm_in_a_thousand_steps(prediction: str, total: float) -> None:
    rng = torch.Generator().manual_seed(0)
    levels = [*TABLE[::-1], CLEAN]
    fresh = lambda step, slot=0: torch.randn(FIRST.shape, generator=rng).double()  # noqa: E731
    made = solve("ddpm", Model(prediction, clip=True), FIRST.double(), levels, fresh)
    assert made.abs().sum().item() == pytest.approx(total, abs=1e-2)
