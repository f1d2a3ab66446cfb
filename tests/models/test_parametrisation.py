"""Whatever a network predicts, the right output gives back the picture; and it is told the right time."""

from typing import Any

import pytest
import torch

from models.parametrisation import Parametrisation
from models.table import read_scheduler
from schedulers import Level

SD: dict[str, Any] = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
ZERO_SNR = SD | {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}


def parametrisation(kind: str) -> Parametrisation:
    return read_scheduler(SD | {"prediction_type": kind})


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample", "flow_prediction"])
def test_the_right_output_gives_x0_row_by_row(kind: str) -> None:
    model = parametrisation(kind)
    levels = [model.table.levels[t] for t in (0, 400, 998)]
    picture, noise = torch.randn(
        2, 3, 4, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    alpha, sigma = (
        torch.tensor(v, dtype=torch.float64).reshape(3, 1, 1, 1) for v in zip(*levels, strict=True)
    )
    x = alpha * picture + sigma * noise
    output = {
        "epsilon": noise, "v_prediction": alpha * noise - sigma * picture, "sample": picture,
        "flow_prediction": noise - picture,
    }[kind]  # fmt: skip
    torch.testing.assert_close(model.x0(output, x, levels), picture, rtol=0, atol=1e-10)


@pytest.mark.parametrize("config", [SD, ZERO_SNR])
def test_the_timestep_is_exact_at_every_entry(config: dict[str, Any]) -> None:
    model = read_scheduler(config)
    assert [model.timestep(level) for level in model.table.levels] == list(range(1000))


def test_between_entries_it_is_linear_in_log_snr_whatever_the_path() -> None:
    model = read_scheduler(SD)
    a, b = model.table.levels[500], model.table.levels[501]
    between = (a.ve_sigma * b.ve_sigma) ** 0.5
    for level in (Level(1.0, between), Level(1 / (1 + between), between / (1 + between))):
        assert model.timestep(level) == pytest.approx(500.5, abs=1e-6)


def test_beyond_the_table_it_stays_at_its_ends() -> None:
    model = read_scheduler(ZERO_SNR)
    assert model.timestep(Level(1.0, 1e-6)) == 0
    assert model.timestep(Level(1.0, 1e9)) == 998  # some signal: not yet the terminal level
    assert model.timestep(Level(0.0, 1.0)) == 999
