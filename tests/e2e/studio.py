"""Starts the real studio and a real Chromium, for the browser tests and for the screenshots."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Browser, Playwright

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "models" / "starter"
PATIENCE = 300  # seconds; seconds on a free machine, but tests share theirs
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@dataclass(frozen=True)
class Studio:
    """A running studio: its address, its folder and its process."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]

    def pictures(self) -> set[str]:
        """The ids of the saved pictures."""
        return {file.stem for file in (self.home / "gallery" / "pictures").glob("*/*.png")}


def chromium() -> str | None:
    """The browser's path: $CHROMIUM, or the first that is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def open_browser(playwright: Playwright, path: str) -> Browser:
    return playwright.chromium.launch(executable_path=path, args=list(FLAGS))


@contextmanager
def running(home: Path, port: int | None = None, options: Sequence[str] = ()) -> Iterator[Studio]:
    """``python app.py`` in a process of its own, stopped at the end."""
    port = port or free_port()
    command = [sys.executable, str(ROOT / "app.py"), "--port", str(port), "--home", str(home), *options]
    with (home / "log.txt").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_open(url, process, home)
        yield Studio(url, home, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_open(url: str, process: subprocess.Popen[bytes], home: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (URLError, ConnectionError, TimeoutError):
            pass
        assert process.poll() is None, (home / "log.txt").read_text()[-3000:]
        time.sleep(0.1)
    raise AssertionError(
        f"the studio did not open within {PATIENCE} s: " + (home / "log.txt").read_text()[-3000:]
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
