"""What is counted is what torch counts, and where torch's counter cannot."""

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


@pytest.mark.parametrize("family", ["gan", "wgan-gp", "r3gan", "energy"])
def test_gradients_of_pictures_are_counted(family: str) -> None:
    torch.manual_seed(0)
    learner = FAMILIES[family].build(SHAPE, None)
    with Flops() as counted:
        learner(X, LABEL, torch.tensor(0))["loss"].backward()
    forward = counted.total
    with Flops() as again, torch.no_grad():
        learner.eval().draw(LABEL, 0)
    assert forward > 0 and again.total > 0
