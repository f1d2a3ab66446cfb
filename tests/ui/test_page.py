"""How the page is served."""

from inspect import signature

from engine import Engine
from ui import launch_options


def test_a_full_studio_leaves_threads_for_everything_but_watching() -> None:
    """Each watched job waits in a thread; Interrupt, Gallery and Generate need others."""
    watching = signature(Engine).parameters["most_jobs"].default
    assert launch_options()["max_threads"] >= watching + 16
