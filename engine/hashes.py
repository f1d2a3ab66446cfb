"""The SHA-256 of model files: taken when somebody asks, once, and written down in the studio's own folder.

It is what model sites and other studios call a file by (its first ten digits are AUTOMATIC1111's model hash).
"""

import hashlib
import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

KEPT = 10_000  # hashes written down


class Hashes:
    """Hashes of files, by what they were when they were read: path, size and time of change."""

    def __init__(self, file: Path) -> None:
        """``file`` is where they are written down."""
        self._file = file
        self._lock = threading.Lock()
        self._known = _read(file)
        self._reading: dict[str, Future[str]] = {}
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="atelier-hashes")  # disks want one reader

    def known(self, path: Path) -> str | None:
        """64 hexadecimal digits, or None where nobody asked yet or the file changed."""
        return self._known.get(_key(path))

    def ask(self, path: Path) -> Future[str]:
        """The hash, read in a thread of its own. It, or its future, raises ``OSError``."""
        key = _key(path)
        with self._lock:
            if key in self._known:
                done: Future[str] = Future()
                done.set_result(self._known[key])
                return done
            if key not in self._reading:
                self._reading[key] = self._reader.submit(self._take, key, path)
            return self._reading[key]

    def close(self) -> None:
        """Start no other; the one that is being read is read to its end."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    def _take(self, key: str, path: Path) -> str:
        try:
            with path.open("rb") as stream:
                taken = hashlib.file_digest(stream, "sha256").hexdigest()
            with self._lock:
                self._known[key] = taken
                newest = dict(list(self._known.items())[-KEPT:])
                new = self._file.with_name(f"{self._file.name}.new")
                new.write_text(json.dumps(newest, indent=1), "utf-8")
                new.replace(self._file)
            return taken
        finally:
            with self._lock:
                self._reading.pop(key, None)


def _key(path: Path) -> str:
    """Raises ``OSError``."""
    status = path.stat()
    return f"{path}|{status.st_size}|{status.st_mtime_ns}"


def _read(file: Path) -> dict[str, str]:
    try:
        told = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in told.items() if isinstance(v, str)} if isinstance(told, dict) else {}
