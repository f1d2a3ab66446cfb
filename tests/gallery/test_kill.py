"""kill -9 while saving: nothing torn, no row without its file, nothing acknowledged is lost."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gallery import Gallery, PictureError
from gallery.pictures import open_picture

KILLS = 200
pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs fork, SIGKILL and /proc")


def kill_while_saving(
    kind: str, folder: Path, kills: int, after_each: Callable[[], None] = lambda: None
) -> list[str]:
    """Kill ``kills`` savers at random moments; returns the ids they had acknowledged. ``after_each`` looks at
    what a kill left, before anything else opens it."""
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
            while Path(f"/proc/{child}").exists():
                time.sleep(0.001)
            after_each()
        saver.stdin.close()
    return (folder / "acknowledged").read_text().split()


def is_torn(file: Path) -> bool:
    try:
        open_picture(file)
    except PictureError:
        return True
    return False


def recorded(folder: Path) -> dict[str, str]:
    """Id to path of every row, read from the database itself: opening a Gallery would put it right."""
    with closing(sqlite3.connect(folder / "index.sqlite")) as connection:
        return dict(connection.execute("SELECT id, path FROM pictures"))


def test_200_kills_lose_nothing(tmp_path: Path) -> None:
    wrong: list[str] = []
    whole: set[str] = set()

    def look() -> None:
        rows = recorded(tmp_path)
        for name in rows.keys() - whole:
            if is_torn(tmp_path / "pictures" / rows[name]):  # or not there
                wrong.append(f"row without its file: {name}")
            whole.add(name)
        said = (tmp_path / "acknowledged").read_text().split()
        wrong.extend(f"shown, and no row: {name}" for name in said if name not in rows)

    acknowledged = kill_while_saving("gallery", tmp_path, KILLS, look)
    assert len(acknowledged) >= KILLS
    assert not wrong
    rows = Gallery(tmp_path)._index.paths()
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
