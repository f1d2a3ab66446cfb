"""Switching models gives their memory back, and makes room before the next one comes."""

import gc
import resource
import shutil
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine import Catalogue, Engine
from models import Parts, load
from pipelines import Recipe

SWITCHES = 20
MB = 1 << 20


def test_an_idle_model_goes_before_the_next_one_comes(
    tiny_folder: Path, a_recipe: Callable[..., Recipe]
) -> None:
    there: list[weakref.ref[Parts]] = []

    def loading(name: str) -> Parts:
        deadline = time.monotonic() + 30  # the worker may be just about to let go of its last picture
        while any(one() is not None for one in there):
            assert time.monotonic() < deadline, "a model that nobody uses is still there"
            gc.collect()
            time.sleep(0.01)
        parts = load(str(tiny_folder))
        there.append(weakref.ref(parts))
        return parts

    with Engine(loading, models_kept=1) as engine:
        for name in ("a", "b", "a", "b"):
            engine.submit(a_recipe(model=name, steps=1)).result(60)
    assert len(there) == 4


def test_the_same_file_is_loaded_once_whatever_leads_to_it(
    tiny_folder: Path, tmp_path: Path, a_recipe: Callable[..., Recipe]
) -> None:
    tree = tmp_path / "webui"
    shutil.copytree(tiny_folder, tree / "tiny")
    (tree / "again").symlink_to(tree / "tiny")
    catalogue = Catalogue(tmp_path / "home", [tree, tree / "tiny", tmp_path], starter=None)
    catalogue.look()
    assert len(catalogue.names()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_twenty_switches_keep_memory_as_it_was(tiny_folder: Path, a_recipe: Callable[..., Recipe]) -> None:
    """Each model carries 64 MB more than it needs, so that any that is kept is seen: twenty are 1.3 GB."""

    def loading(name: str) -> Parts:
        parts = load(str(tiny_folder), dtype=torch.float32)
        parts.unet.register_buffer("ballast", torch.ones(16 * MB), persistent=False)
        return parts

    with Engine(loading, models_kept=1) as engine:
        for name in "abab":  # what is imported and kept once
            engine.submit(a_recipe(model=name, steps=1)).result(60)
        before = resident()
        for k in range(SWITCHES):
            engine.submit(a_recipe(model="ab"[k % 2], steps=1)).result(60)
        grown = resident() / before - 1
    assert grown < 0.05, f"{SWITCHES} switches grew resident memory by {grown:.1%} of {before / MB:.0f} MB"


def resident() -> int:
    """Bytes of this process that are in memory now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
