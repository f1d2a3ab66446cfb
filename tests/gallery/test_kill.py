"""kill -9 while saving: nothing torn, no row without its file, nothing acknowledged is lost."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gallery import Gallery, PictureError
from gallery.pictures import open_picture

KILLS = 200
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


def kill_while_saving(kind: str, folder: Path, kills: int) -> list[str]:
    """Kill ``kills`` savers at random moments; returns the ids they had acknowledged."""
    moments = random.Random(7)
    command = [sys.executable, str(Path(__file__).with_name("saver.py")), kind, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
    ) as saver:
        assert saver.stdin and saver.stdout
        for _ in range(kills):
            saver.stdin.write("save\n")
            child = int(saver.stdout.readline())
            time.sleep(moments.uniform(0, 0.06))
            os.kill(child, signal.SIGKILL)
        saver.stdin.close()
    return (folder / "acknowledged").read_text().split()


def is_torn(file: Path) -> bool:
    try:
        open_picture(file)
    except PictureError:
        return True
    return False


def test_200_kills_lose_nothing(tmp_path: Path) -> None:
    acknowledged = kill_while_saving("gallery", tmp_path, KILLS)
    assert len(acknowledged) >= KILLS
    rows = Gallery(tmp_path)._index.paths()  # what the index says before any file is looked at again
    assert not [path for path in rows.values() if is_torn(tmp_path / "pictures" / path)]
    assert set(acknowledged) <= set(rows)
    visible = list(tmp_path.glob("pictures/*/*.png"))
    assert not [path for path in visible if is_torn(path)]
    assert {path.stem for path in visible} == set(rows)  # a file that had no row yet was adopted

    for part in tmp_path.glob("pictures/*/.*.part"):
        os.utime(part, (time.time() - 120,) * 2)
    Gallery(tmp_path)
    assert not list(tmp_path.glob("pictures/*/.*"))
    with sqlite3.connect(tmp_path / "index.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_the_naive_order_breaks(tmp_path: Path) -> None:
    """The control: were this to pass, the kills above would prove nothing."""
    kills = 40
    acknowledged = kill_while_saving("naive", tmp_path, kills)
    with sqlite3.connect(tmp_path / "rows.sqlite") as connection:
        rows = [row[0] for row in connection.execute("SELECT id FROM pictures")]
    connection.close()
    broken = [name for name in rows if is_torn(tmp_path / f"{name}.png")]  # a missing file is torn too
    assert len(broken) > kills / 4  # how many depends on what else the machine does
    assert not set(broken) & set(acknowledged)
