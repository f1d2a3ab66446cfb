"""The benchmark measures the same work in every way, and keeps what it prints."""

import json
import os
import sys
from pathlib import Path

import pytest

from benchmarks.throughput import machine_load, main, table


def test_every_way_does_the_same_work(tiny_folder: Path, tmp_path: Path):
    main(
        [
            "--model",
            str(tiny_folder),
            "--jobs",
            "1",
            "7",
            "--steps",
            "4",
            "--rounds",
            "1",
            "--out",
            f"{tmp_path}/t",
        ]
    )
    data = json.loads((tmp_path / "t.json").read_text())
    rows = {(row["jobs"], row["way"]): row for row in data["rows"]}
    assert len(rows) == 8
    for jobs in (1, 7):
        work = [row["rows"] for (count, _), row in rows.items() if count == jobs]
        assert len(set(work)) == 1
        assert all(0 < row["mean_wait"] <= row["seconds"] for (n, _), row in rows.items() if n == jobs)
    assert rows[7, "engine"]["calls"] < rows[7, "draw, one after another"]["calls"] / 2
    assert rows[7, "engine"]["engine_times_faster"] == 1
    assert data["company_changes"]["1"]["max"] <= 1
    text = (tmp_path / "t.md").read_text()
    assert text.count("\n| ") == 9 and "diffusers, as it comes (float32)" in text


def test_windows_tells_no_load(monkeypatch: pytest.MonkeyPatch):
    assert sys.platform == "win32" or len(machine_load()) == 3
    monkeypatch.delattr(os, "getloadavg", raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    machine = {"processor": "x", "cores": 2, "threads": 2, "torch": "2", "load": machine_load()}
    data = {"model": "m", "dtype": "torch.float32", "steps": 4, "rounds": 1, "machine": machine}
    assert "torch 2. Mixed" in table(data | {"company_changes": {}, "rows": []})
