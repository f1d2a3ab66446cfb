"""A trial trains, measures and is not repeated; the lab's command makes its page of several, and goes on."""

import os
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from training import lab
from training.evaluation.features import classifying
from training.run import RunConfig
from training.samplers_compared import samplers_table
from training.trials import baseline_trials, compared, curve_of, result_of, seconds_of, trial

WAYS = (("ddpm", "trailing", 20), ("ddim", "trailing", 2), ("dpmpp-2m", "karras", 2))


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps, a few pictures."""
    measure = import_module("training.evaluation.measure")  # the package has a function of that name
    monkeypatch.setattr(measure, "PROBABLE", 2)
    monkeypatch.setattr(classifying, "__defaults__", (0, 4))
    monkeypatch.setattr(samplers_table, "__defaults__", (WAYS,))
    monkeypatch.setattr(lab, "STEPS", 3)


def test_a_trial_trains_and_measures_and_is_not_repeated(tmp_path: Path) -> None:
    config = RunConfig(data="digits", family="vae", steps=3, batch=8, log_every=1)
    shared, folder = tmp_path, tmp_path / "vae-0"
    seen = [at.doing for at in trial(config, folder, shared, 12)]
    assert list(dict.fromkeys(seen)) == [
        "training", "training the classifier that measures", "measuring", "drawing a film strip",
    ]  # fmt: skip
    assert seen.count("training") == 3 and len(curve_of(folder)) == 3
    assert list(trial(config, folder, shared, 12)) == []
    for _ in baseline_trials("digits", shared, 12):
        pass
    comparison = compared("digits", [[folder]], shared)
    assert comparison.results[0].title == "VAE"
    cost = result_of([folder]).figures[0].cost
    assert cost is not None and cost.training_seconds == pytest.approx(seconds_of(folder))
    assert cost.training_flops == cost.flops_per_step * 8 * 3


def test_a_trial_that_is_not_finished_is_no_result_and_goes_on(tmp_path: Path) -> None:
    config = RunConfig(data="digits", family="vae", steps=3, batch=8)
    steps = trial(config, tmp_path / "a", tmp_path, 12)
    next(steps)
    steps.close()
    with pytest.raises(ValueError, match="was not finished"):
        result_of([tmp_path / "a"])
    after = trial(config, tmp_path / "a", tmp_path, 12)
    assert [at.step for at in after if at.doing == "training"] == [2, 3]


def test_a_family_that_needs_another_takes_the_agendas_run_of_it_and_counts_its_seconds(
    tmp_path: Path,
) -> None:
    agenda = lab.Agenda(tmp_path, ("digits",), ("latent", "vae"), (), (1,), (1.0,), 12)
    for _ in lab.training_all(agenda):
        pass
    latent, vae = (agenda.folder_of("digits", name, 0) for name in ("latent", "vae"))
    assert not (latent / "vae").exists()
    assert seconds_of(latent) > seconds_of(vae) > 0
    halves = tmp_path / "digits" / "latent-equal-seconds"
    assert (halves / "vae" / "model.safetensors").is_file()


@pytest.mark.slow
def test_the_command_writes_the_page_with_its_tables_and_goes_on(tmp_path: Path) -> None:
    command = [
        "--set", f"folder={tmp_path / 'runs'}", "--set", "families=ddpm-eps,flow,latent",
        "--set", "data=digits", "--set", "minutes=1", "--set", "seeds=1", "--set", "count=12",
        "--set", "sampled=10", "--out", str(tmp_path / "lab.md"),
    ]  # fmt: skip
    for _ in range(2):
        done = CliRunner().invoke(lab.app, command)
        assert done.exit_code == 0, done.output
    text = (tmp_path / "lab.md").read_text()
    for words in ("One network, many samplers", "Latent against pixel", "Against the baselines", "Does not"):
        assert words in text
    assert "| DDPM | 20 |" in text
    pictures = os.listdir(tmp_path / "images" / "lab")
    assert all(f"images/lab/{name}" in text for name in pictures)
    assert (tmp_path / "runs" / "digits.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("families=ddpm-x", "families: got ddpm-x; allowed:"),
        ("headline=vae,ddpm-x", "headline: got ddpm-x; allowed:"),
        ("colour=red", "got 'colour=red'"),
        ("seeds", "allowed:"),
        ("minutes=1", "minutes: got 1 numbers; allowed: one for each of digits, glyphs."),
        ("seeds=2", "seeds: got 1 numbers; allowed: one for each of digits, glyphs."),
    ],
)
def test_an_agenda_that_cannot_be_is_refused(change: str, said: str) -> None:
    done = CliRunner().invoke(lab.app, ["--set", change], env={"COLUMNS": "400"})
    assert done.exit_code == 2
    assert said in done.output
