"""Fixtures every room shares."""

import gc
import os

os.environ["HF_HUB_OFFLINE"] = (
    "1"  # before anything imports the hub's client: no test reaches for the network
)

from pathlib import Path

import hypothesis
import pytest
import torch

from benchmarks.parity.latents import Models
from models import Parts, load
from tests.tiny import write_tiny

hypothesis.settings.register_profile("house", deadline=None)  # the machine may be busy with other work
hypothesis.settings.load_profile("house")
torch.set_num_threads(1)  # the test models are so small that a second thread costs more than it gives


def pytest_collection_finish() -> None:
    """Leave what is there by now to itself: going through it once more takes half a second of some test's."""
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random 64-pixel Stable Diffusion, v-prediction with zero terminal SNR."""
    return write_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Parts:
    """It, loaded in float32 on the CPU."""
    return load(str(tiny_folder), device="cpu", dtype=torch.float32)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Random models of every family, each written once, with which the cases of benchmarks.parity draw."""
    return Models(tmp_path_factory.mktemp("parity"))
