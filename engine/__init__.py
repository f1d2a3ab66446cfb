"""Who asks now, what runs together, on which device: the engine that answers every live job's requests.

It knows no widgets and no pages; a page, a script or a test submits a ``Recipe`` and follows a ``Job``.
"""

from engine.engine import Engine
from engine.events import Cancelled, Done, Event, Failed, Progress, Queued
from engine.job import Job, JobCancelled, JobFailed
from engine.line import QueueFull
from engine.wordbook import WildcardFolder, styles_in
from pipelines.counted import Counted

__all__ = [
    "Cancelled",
    "Counted",
    "Done",
    "Engine",
    "Event",
    "Failed",
    "Job",
    "JobCancelled",
    "JobFailed",
    "Progress",
    "Queued",
    "QueueFull",
    "WildcardFolder",
    "styles_in",
]
