"""Who asks now, what runs together, on which device: the engine that answers every live job's requests.

It knows no widgets and no pages; a page, a script or a test submits a ``Recipe`` and follows a ``Job``.
"""

from adapters.preprocess import PREPROCESSORS, preprocess
from engine.background import Background
from engine.catalogue import Catalogue, FolderError, Model
from engine.downloads import Download, DownloadError, Downloads
from engine.engine import Engine
from engine.events import Cancelled, Done, Event, Failed, Progress, Queued
from engine.hashes import Hashes
from engine.job import Job, JobCancelled, JobFailed
from engine.line import QueueFull
from engine.series import Series
from engine.wordbook import WildcardFolder, styles_in
from models.hub import HubError, Offer, Repository, ask
from pipelines.cost import Cost, cost
from pipelines.counted import Counted
from pipelines.grid import Axis, Cell, axes, axis, cells

__all__ = [
    "PREPROCESSORS",
    "Axis",
    "Background",
    "Cancelled",
    "Catalogue",
    "Cell",
    "Cost",
    "Counted",
    "Done",
    "Download",
    "DownloadError",
    "Downloads",
    "Engine",
    "Event",
    "Failed",
    "FolderError",
    "Hashes",
    "HubError",
    "Job",
    "JobCancelled",
    "JobFailed",
    "Model",
    "Offer",
    "Progress",
    "Queued",
    "QueueFull",
    "Repository",
    "Series",
    "WildcardFolder",
    "ask",
    "axes",
    "axis",
    "cells",
    "cost",
    "preprocess",
    "styles_in",
]
