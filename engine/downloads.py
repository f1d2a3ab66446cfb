"""Fetching models in the background: whoever started one may leave, and any page sees how far it is.

One after the other, as they share the line. What arrives is hidden until it is whole. Knows no pages.
"""

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.hub import HubError, Offer, Repository, fetch

MOST = 8  # waiting or running
ENDED_KEPT = 8
SPARE = 1 << 30  # bytes that a disk keeps
ARRIVING = ".downloads"  # below the models' folder; hidden folders are not looked through

State = Literal["waiting", "running", "done", "stopped", "failed"]


class DownloadError(ValueError):
    """A download cannot be begun. The message says why."""


@dataclass(eq=False)
class Download:
    """One offer on its way. It is written by one thread and read by any."""

    repository: Repository
    offer: Offer
    target: Path
    there: int = 0  # bytes
    state: State = "waiting"
    said: str = ""  # why it failed
    stopping: bool = False

    @property
    def ended(self) -> bool:
        return self.state in ("done", "stopped", "failed")


class Downloads:
    """Into ``folder``: a file under its own name, a folder under its repository's.

    ``arrived`` is called when one is there.
    """

    def __init__(self, folder: Path, arrived: Callable[[], None]) -> None:
        self._folder = folder
        self._arrived = arrived
        self._lock = threading.Lock()
        self._all: list[Download] = []
        self._fetcher = ThreadPoolExecutor(1, thread_name_prefix="atelier-downloads")

    def all(self) -> list[Download]:
        """Those that ended lately, and the open ones; oldest first."""
        with self._lock:
            return list(self._all)

    def begin(self, repository: Repository, offer: Offer) -> Download:
        """Fetch it as soon as those before it are there. Raises ``DownloadError``."""
        one_file = len(offer.files) == 1
        target = self._folder / (offer.files[0].name if one_file else _flat(repository.name))
        if target.exists():
            raise DownloadError(f"{repository.name}: {offer.what!r} is here already, as {target.stem!r}.")
        with self._lock:
            open_ones = [one for one in self._all if not one.ended]
            if any(one.target == target for one in open_ones):
                raise DownloadError(f"{repository.name}: {offer.what!r} is on its way already.")
            if len(open_ones) >= MOST:
                raise DownloadError(
                    f"{len(open_ones)} downloads are waiting, and {MOST} are allowed at once."
                )
            self._refuse_if_full(offer, open_ones)
            ended = [one for one in self._all if one.ended][-ENDED_KEPT:]
            download = Download(repository, offer, target)
            self._all = [one for one in self._all if one in ended or one in open_ones] + [download]
        self._fetcher.submit(self._fetch, download)
        return download

    def stop(self, download: Download) -> None:
        """What is there is kept, and fetching the same again goes on from it."""
        download.stopping = True

    def close(self) -> None:
        """Stop all, as at the next start they can go on."""
        for download in self.all():
            self.stop(download)
        self._fetcher.shutdown(wait=True)

    def _refuse_if_full(self, offer: Offer, open_ones: list[Download]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free - sum(one.offer.size - one.there for one in open_ones)
        if offer.size + SPARE > free:
            raise DownloadError(
                f"{offer.what!r} has {offer.size / 1e9:.1f} GB, the disk {max(free, 0) / 1e9:.1f} GB; "
                f"allowed: what leaves {SPARE / 1e9:.1f} GB free."
            )

    def _fetch(self, download: Download) -> None:
        try:
            whole = not download.stopping and self._brought(download)
        except (HubError, OSError) as error:
            download.said = str(error) if isinstance(error, HubError) else f"The disk said: {error.strerror}."
            download.state = "failed"
        else:
            download.state = "done" if whole else "stopped"
            if whole:
                self._arrived()

    def _brought(self, download: Download) -> bool:
        """Fetch it and give it its place; whether it was not stopped before."""
        download.state = "running"
        arriving = self._folder / ARRIVING / _flat(f"{download.repository.name}/{download.offer.what}")
        with closing(fetch(download.repository, download.offer, arriving)) as coming:
            for download.there in coming:
                if download.stopping and download.there < download.offer.size:
                    return False
        one_file = len(download.offer.files) == 1
        (arriving / download.target.name if one_file else arriving).rename(download.target)
        shutil.rmtree(arriving, ignore_errors=True)
        return True


def _flat(name: str) -> str:
    return name.replace("/", "--")
