import os
from collections.abc import Iterator

import pytest
from accelerate.state import AcceleratorState

from models.torchvision_guard import guard_torchvision
from training.data.glyphs import font

guard_torchvision()  # before any test imports diffusers or torchmetrics


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """accelerate keeps one state a process; each test may train with a precision of its own."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(autouse=True, scope="session")
def the_font() -> None:
    """Scenes need the emoji font: CI must have it, a desk without it skips these tests and is told why."""
    try:
        font()
    except FileNotFoundError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
