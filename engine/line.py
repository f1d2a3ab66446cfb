"""Who goes next: a waiting line per user, served round-robin, bounded in total and per user.

Pure bookkeeping: it knows jobs only as things that have a user; no threads, models or clocks. Whoever uses it
holds a lock.
"""

from collections import deque
from collections.abc import Iterator
from itertools import zip_longest

from engine.job import Job


class QueueFull(RuntimeError):
    """No more jobs are taken now. The message says which bound was reached and what helps."""


class Line:
    """Jobs that still have pictures to start. A user's own jobs keep their order."""

    def __init__(self) -> None:
        self._jobs: dict[str, deque[Job]] = {}  # user -> jobs; insertion order is the order of turns

    def __len__(self) -> int:
        return sum(map(len, self._jobs.values()))

    def add(self, job: Job) -> None:
        self._jobs.setdefault(job.user, deque()).append(job)

    def heads(self) -> list[Job]:
        """The first job of every user, whose turn it is first."""
        return [jobs[0] for jobs in self._jobs.values()]

    def served(self, user: str) -> None:
        """``user`` had a turn: all others who wait come before the next one."""
        if user in self._jobs:
            self._jobs[user] = self._jobs.pop(user)

    def remove(self, job: Job) -> bool:
        """Take ``job`` out, wherever it stands; returns whether it was there."""
        jobs = self._jobs.get(job.user)
        if jobs is None or job not in jobs:
            return False
        jobs.remove(job)
        if not jobs:
            del self._jobs[job.user]
        return True

    def __iter__(self) -> Iterator[Job]:
        """Every job in the order in which turns would come."""
        for round_ in zip_longest(*self._jobs.values()):
            yield from (job for job in round_ if job is not None)
