"""The spacings: what they must all keep, and that they are the ones diffusers means by the same names."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest

from models.table import read_scheduler
from models.torchvision_guard import guard_torchvision
from schedulers import SCHEDULES, Level, Table, custom, read_sigmas
from schedulers.level import on_path

guard_torchvision()
from diffusers import DDIMScheduler, EulerDiscreteScheduler  # noqa: E402

SD = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}
ZERO_SNR = SD | {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler"}


FITTED = (9.0, 3.0, 1.0, 0.3, 0.1)


def table(config: dict[str, object]) -> Table:
    return replace(read_scheduler(config).table, fitted=FITTED)


@pytest.mark.parametrize("steps", [1, 2, 3, 20, 150])
@pytest.mark.parametrize("config", [SD, ZERO_SNR, FLOW], ids=["sd", "zero-snr", "flow"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_noise_falls_at_every_step_and_ends_clean(name: str, config: dict[str, object], steps: int) -> None:
    levels = SCHEDULES[name](table(config | {"timestep_spacing": "trailing"}), steps)
    sigmas = [level.ve_sigma for level in levels]
    assert len(levels) == steps + 1
    assert all(a > b for a, b in zip(sigmas, sigmas[1:], strict=False))
    assert levels[-1] == Level(1.0, 0.0)
    assert all(math.isfinite(v) for level in levels for v in level)


@pytest.mark.parametrize("name", SCHEDULES)
def test_zero_terminal_snr_is_kept_as_the_start(name: str) -> None:
    levels = SCHEDULES[name](table(ZERO_SNR | {"timestep_spacing": "trailing"}), 10)
    assert levels[0] == Level(0.0, 1.0)
    assert math.isfinite(levels[1].ve_sigma)


@pytest.mark.parametrize("steps", [1, 2, 7, 20, 30, 50])
@pytest.mark.parametrize(
    ("spacing", "offset"), [("leading", 0), ("leading", 1), ("trailing", 0), ("linspace", 0)]
)
def test_the_models_own_spacing_is_diffusers(spacing: str, offset: int, steps: int) -> None:
    config = SD | {"timestep_spacing": spacing, "steps_offset": offset}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = DDIMScheduler(**config)
        theirs.set_timesteps(steps)
    ours = table(config)
    expected = [ours.levels[t] for t in theirs.timesteps.tolist()]
    if (spacing, steps) == ("linspace", 1):
        assert expected == [ours.levels[0]]  # numpy's linspace of one point: a start without noise
    assert SCHEDULES["model"](ours, steps)[:-1] == expected


@pytest.mark.parametrize("name", ["karras", "exponential"])
def test_the_ramps_are_diffusers(name: str) -> None:
    theirs = EulerDiscreteScheduler(**SD, **{f"use_{name}_sigmas": True})
    theirs.set_timesteps(20)
    ours = [level.ve_sigma for level in SCHEDULES[name](table(SD), 20)]
    np.testing.assert_allclose(ours, theirs.sigmas.numpy(), rtol=2e-5)


@pytest.mark.parametrize("path", ["vp", "ve", "flow"])
def test_a_path_keeps_its_law(path: str) -> None:
    law = {"vp": lambda a, s: math.hypot(a, s), "ve": lambda a, s: a, "flow": lambda a, s: a + s}[path]
    for sigma in (0.0, 0.03, 1.0, 14.6, 5000.0):
        level = on_path(path, sigma)  # pyright: ignore[reportArgumentType]
        assert law(*level) == pytest.approx(1, abs=1e-12)
        assert level.ve_sigma == pytest.approx(sigma, rel=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_impossible_counts_are_refused(name: str, steps: int) -> None:
    with pytest.raises(ValueError, match=f"got {steps}; allowed: from 1 to 1000 steps"):
        SCHEDULES[name](table(SD), steps)


def test_leading_steps_past_the_table_are_refused() -> None:
    with pytest.raises(ValueError, match="run past the 1000 timesteps"):
        SCHEDULES["model"](table(SD | {"timestep_spacing": "leading", "steps_offset": 1}), 1000)


def test_beta_over_sigmas_is_diffusers() -> None:
    theirs = EulerDiscreteScheduler(**SD, use_beta_sigmas=True)
    theirs.set_timesteps(20)
    ours = [level.ve_sigma for level in SCHEDULES["beta-sigma"](table(SD), 20)]
    np.testing.assert_allclose(ours, theirs.sigmas.numpy(), rtol=2e-5)


def test_the_two_betas_are_not_one() -> None:
    """Stable Diffusion 1.5 in ten steps: ComfyUI's values (rounded to timesteps there) beside the others."""
    ours = [round(level.ve_sigma, 1) for level in SCHEDULES["beta"](table(SD), 10)][:5]
    np.testing.assert_allclose(ours, [14.6, 11.5, 7.4, 4.4, 2.6], atol=0.11)
    sigmas = [level.ve_sigma for level in SCHEDULES["beta-sigma"](table(SD), 10)]
    np.testing.assert_allclose(sigmas[:3], [14.615, 13.928, 12.491], atol=0.01)


@pytest.mark.parametrize("name", ["ays-sd15", "ays-sdxl"])
def test_align_your_steps_is_its_table_at_ten_steps(name: str) -> None:
    from schedulers.levels import ays

    nodes = {"ays-sd15": ays.SD15, "ays-sdxl": ays.SDXL}[name]
    ours = [level.ve_sigma for level in SCHEDULES[name](table(SD), 10)]
    np.testing.assert_allclose(ours, [*nodes, 0.0], rtol=1e-3)


def test_kl_optimal_is_even_in_angle() -> None:
    sigmas = [level.ve_sigma for level in SCHEDULES["kl-optimal"](table(SD), 12)][:-1]
    angles = np.diff(np.arctan(sigmas))
    np.testing.assert_allclose(angles, angles[0], rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 12])
def test_the_two_kl_optimals_are_not_one(steps: int) -> None:
    """AUTOMATIC1111's is written out: n + 1 even angles; its last, the smallest sigma, is where it stops."""
    low, high = table(SD).ends
    theirs = [
        math.tan(i / steps * math.atan(low) + (1 - i / steps) * math.atan(high)) for i in range(steps + 1)
    ]
    sigmas = [level.ve_sigma for level in SCHEDULES["kl-optimal-a1111"](table(SD), steps)]
    np.testing.assert_allclose(sigmas, [*theirs[:-1], 0.0], rtol=1e-9)
    comfy = [level.ve_sigma for level in SCHEDULES["kl-optimal"](table(SD), steps)]
    assert steps == 1 or (comfy[-2] == pytest.approx(low) and sigmas[-2] > 2 * low)


def test_a_flow_shift_multiplies_the_ve_sigma() -> None:
    """f / (1 - f) of the shifted f is shift times that of the even one."""
    flows = [level.sigma for level in SCHEDULES["flow-shift"](table(FLOW), 8)][1:-1]
    even = [f / (3 - 2 * f) for f in flows]
    np.testing.assert_allclose(np.diff(even), -1 / 8, atol=2e-3)


def test_linear_quadratic_is_mochis() -> None:
    """Its first half goes evenly through a fortieth of the noise; the halves join with one slope."""
    flows = np.array([level.sigma for level in SCHEDULES["linear-quadratic"](table(FLOW), 40)])
    np.testing.assert_allclose(np.diff(flows[:21])[1:], -0.025 / 20, rtol=2e-2)
    assert np.all(np.diff(flows[20:], 2) < 1e-9)  # from there on every step is larger than the one before


def test_polyexponential_leans_to_little_noise() -> None:
    bent, straight = ([level.ve_sigma for level in SCHEDULES[name](table(SD), 20)][1:-2]
                      for name in ("polyexponential", "exponential"))  # fmt: skip
    assert all(b < s for b, s in zip(bent, straight, strict=True))


def test_simple_takes_whole_levels_and_sgm_uniform_even_timesteps() -> None:
    levels = table(SD).levels
    assert SCHEDULES["simple"](table(SD), 4)[:-1] == [levels[t] for t in (999, 749, 499, 249)]
    between = SCHEDULES["sgm-uniform"](table(SD), 4)[1]
    assert levels[749].ve_sigma < between.ve_sigma < levels[750].ve_sigma  # t = 749.25


def test_steps_that_fall_on_one_level_are_refused() -> None:
    from schedulers import Schedule

    still = Schedule(
        "still", "Still", "", lambda table, steps: [table.levels[-1]] * steps + [Level(1.0, 0.0)]
    )
    with pytest.raises(ValueError, match="two of them fall on one noise level"):
        still(table(SD), 2)


def test_sigmas_of_ones_own_are_the_levels() -> None:
    ours = table(SD)
    levels = custom(read_sigmas("14, 6.5; 2".replace(";", ",")))(ours, 3)
    assert [level.ve_sigma for level in levels] == pytest.approx([14.0, 6.5, 2.0, 0.0])
    assert all(math.hypot(*level) == pytest.approx(1) for level in levels)
    first = custom((math.inf, 3.0))(table(ZERO_SNR), 2)[0]
    assert first == Level(0.0, 1.0)  # inf is the model's noisiest level
    assert custom((math.inf, 3.0))(ours, 2)[0] == ours.levels[-1]


def test_other_step_counts_go_through_the_same_sigmas() -> None:
    ours = table(SD)
    twice = custom((10.0, 1.0, 0.1))(ours, 5)
    assert [level.ve_sigma for level in twice] == pytest.approx([10, 10**0.5, 1, 0.1**0.5, 0.1, 0])
    assert [level.ve_sigma for level in custom((10.0, 1.0))(ours, 1)] == pytest.approx([10, 0])
    assert [level.ve_sigma for level in custom((10.0,))(ours, 1)] == pytest.approx([10, 0])


@pytest.mark.parametrize(("text", "sigmas"), [
    ("3 2 1", (3, 2, 1)), ("inf,3.5,\n1e-1", (math.inf, 3.5, 0.1)), ("2, 1, 0", (2, 1)), ("7", (7,)),
])  # fmt: skip
def test_sigmas_are_read_with_commas_or_spaces(text: str, sigmas: tuple[float, ...]) -> None:
    assert read_sigmas(text) == sigmas


@pytest.mark.parametrize(("text", "said"), [
    ("3, x, 1", "got 'x'; allowed: numbers"), ("1 2 3", "do not fall"), ("3 3", "do not fall"),
    ("nan", "do not fall"), ("2 -1", "do not fall"), ("0", "do not fall"), ("2 0 0", "do not fall"),
    (",", "got 0 of them"),
    (" ".join(str(400 - i) for i in range(151)), "got 151 of them"),
])  # fmt: skip
def test_what_are_no_sigmas_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_sigmas(text)


@pytest.mark.parametrize("sigma", [1e-4, 20.0])
def test_a_sigma_that_the_model_never_saw_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match=r"allowed with this model: from 0\.029\d* to 14\.6\d*, first inf"):
        custom((sigma,))(table(SD), 1)


def test_a_model_without_a_table_of_its_own_says_so() -> None:
    with pytest.raises(ValueError, match="this model has no table of its own"):
        SCHEDULES["fitted"](read_scheduler(SD).table, 5)
    assert [level.ve_sigma for level in SCHEDULES["fitted"](table(SD), 6)][1:-1] == pytest.approx(FITTED)
