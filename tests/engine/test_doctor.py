"""The doctor's findings change with the machine, and what is missing comes with advice."""

from pathlib import Path

import pytest
import torch

from engine import doctor


def test_the_report_names_everything_and_changes_nothing(tmp_path: Path):
    home = tmp_path / "studio"
    text = doctor.report(home)
    for name in ("torch", "device", "attention", "torchvision", "xformers", "starter", "home", "Chromium"):
        assert name in text
    assert torch.__version__ in text
    assert not home.exists()


def test_a_missing_starter_comes_with_advice(tmp_path: Path):
    assert "make starter" in doctor._starter(tmp_path).advice
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "model.safetensors").write_bytes(bytes(3_000_000))
    assert doctor._starter(tmp_path) == doctor.Finding(
        "starter", f"3 MB of weights in {tmp_path.parent.name}/{tmp_path.name}"
    )


def test_a_full_disk_and_a_read_only_home_come_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert doctor._home(tmp_path).advice == ""
    monkeypatch.setattr(doctor, "FREE_DISK", 1 << 60)
    assert "fail to save" in doctor._home(tmp_path).advice
    monkeypatch.setattr(doctor, "_writable", lambda folder: False)
    assert "ATELIER_HOME" in doctor._home(tmp_path).advice


def test_a_file_is_no_writable_home(tmp_path: Path):
    (tmp_path / "file").touch()
    assert not doctor._writable(tmp_path / "file")
    assert doctor._writable(tmp_path)


def test_advice_stands_under_its_finding(monkeypatch: pytest.MonkeyPatch):
    findings = [doctor.Finding("one", "fine"), doctor.Finding("two", "missing", "Install two.")]
    monkeypatch.setattr(doctor, "examine", lambda home: findings)
    lines = doctor.report().splitlines()
    assert (
        lines[0].startswith("+ one") and lines[1].startswith("! two") and lines[2].strip() == "Install two."
    )


def test_the_pin_is_the_one_of_the_requirements():
    assert doctor._pin("torch").count(".") == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without CUDA")
def test_xformers_is_never_called_active_on_a_cpu():
    assert "not active" in doctor._xformers().state
