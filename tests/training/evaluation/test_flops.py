"""What is counted is what torch counts, where torch's counter can."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from training.evaluation.flops import Flops
from training.families import FAMILIES, Shape

SHAPE = Shape(1, 8, 3)
X, LABEL = torch.zeros(2, 1, 8, 8), torch.tensor([0, 1])


@pytest.mark.parametrize("family", ["ddpm-eps", "vae", "pixelcnn"])
def test_it_is_what_torch_counts(family: str) -> None:
    learner = FAMILIES[family].build(SHAPE, None)
    with Flops() as counted, FlopCounterMode(display=False) as torchs:
        learner(X, LABEL, torch.tensor(0))["loss"].backward()
    assert counted.total == torchs.get_total_flops() > 0
