"""What classifier-free guidance must be at its edges, and that its rescale looks at one image at a time."""

import pytest
import torch
from torch import Tensor

from schedulers import GUIDANCE, Level, Strength
from schedulers.ask import Ask
from schedulers.guidance.cfg import rescale

X = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
BRANCHES = {"conditional": X.sin(), "unconditional": X.cos() + 1}


def guided(guidance: float, phi: float = 0.0) -> tuple[Tensor, list[str]]:
    """The guided estimate, and which branches were asked for, in their order."""
    guiding = GUIDANCE["cfg"].start(Strength(guidance, phi))(Ask(X, Level(0.6, 0.8)))
    wanted = next(guiding)
    assert all(e.x is X and e.level == Level(0.6, 0.8) for e in wanted)
    with pytest.raises(StopIteration) as done:
        guiding.send(tuple(BRANCHES[e.branch] for e in wanted))
    return done.value.value, [e.branch for e in wanted]


@pytest.mark.parametrize(("guidance", "branch"), [(1.0, "conditional"), (0.0, "unconditional")])
def test_one_branch_alone_is_asked_alone_and_returned_untouched(guidance: float, branch: str) -> None:
    made, asked = guided(guidance, phi=0.7)
    assert asked == [branch]
    assert made is BRANCHES[branch]


def test_both_branches_come_in_one_request_and_are_extrapolated() -> None:
    made, asked = guided(3.0)
    assert asked == ["conditional", "unconditional"]
    torch.testing.assert_close(made, 3 * BRANCHES["conditional"] - 2 * BRANCHES["unconditional"])


def test_full_rescale_restores_each_images_own_deviation() -> None:
    made, _ = guided(7.0, phi=1.0)
    torch.testing.assert_close(made.std((1, 2, 3)), BRANCHES["conditional"].std((1, 2, 3)))
    half, _ = guided(7.0, phi=0.5)
    torch.testing.assert_close(half, (made + guided(7.0)[0]) / 2)


def test_rescale_of_a_batch_is_that_of_its_images() -> None:
    wide, narrow = X * torch.tensor([1.0, 10.0, 0.1]).reshape(3, 1, 1, 1), X.flip(0)
    whole = rescale(wide, narrow, 0.7)
    for k in range(3):
        torch.testing.assert_close(whole[k : k + 1], rescale(wide[k : k + 1], narrow[k : k + 1], 0.7))


def test_a_flat_estimate_survives_rescale() -> None:
    assert rescale(torch.full_like(X, 0.3), X, 0.7).isfinite().all()
