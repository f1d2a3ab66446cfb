from collections.abc import Iterator

import pytest
from accelerate.state import AcceleratorState

import training  # noqa: F401  (guards torchvision before any test imports diffusers)


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """accelerate keeps one state a process; each test may train with a precision of its own."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
