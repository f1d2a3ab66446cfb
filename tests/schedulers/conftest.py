"""Diffusers' schedulers as oracles, in float64."""

import sys
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from models.torchvision_guard import guard_torchvision
from tests.schedulers.one_hot import DRAWS


class Wide:
    """``torch`` or ``numpy`` with float64 under the name of float32."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, "float64" if name == "float32" else name)


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """``make(kind, steps, **config)``: their scheduler; the k-th noise that it draws is ``DRAWS[k]``.

    Their files keep levels in float32 and compute in it. They are lent a ``torch`` and a ``numpy`` whose
    float32 is float64, so that nothing but the algorithm is compared.
    """
    guard_torchvision()
    import diffusers

    def made(kind: str, steps: int, **config: Any) -> Any:
        file = sys.modules[getattr(diffusers, kind).__module__]
        drawn = iter(DRAWS)
        monkeypatch.setattr(file, "torch", Wide(torch))
        monkeypatch.setattr(file, "np", Wide(np), raising=False)
        monkeypatch.setattr(file, "randn_tensor", lambda *shape, **kind: next(drawn), raising=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler = getattr(file, kind)(**config)
            scheduler.set_timesteps(steps)
        return scheduler

    torch.set_default_dtype(torch.float64)
    yield made
    torch.set_default_dtype(torch.float32)
