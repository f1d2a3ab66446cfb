"""Networks that wait in main memory while nobody asks them, where a card has no room for all."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def at_work(device: torch.device, *networks: Any) -> Iterator[None]:
    """Meanwhile ``networks`` are on ``device``; those that were elsewhere are in main memory afterwards."""
    away = [network for network in networks if network.device != device]
    try:
        for network in away:
            network.to(device)
        yield
    finally:
        for network in away:
            network.to("cpu")
