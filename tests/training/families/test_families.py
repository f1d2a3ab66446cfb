"""What holds for every line of FAMILIES."""

from copy import deepcopy
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from training.evaluation.flops import Flops
from training.families import (
    FAMILIES,
    Checkpoint,
    Learner,
    Likelihood,
    Reconstruction,
    Shape,
    diffusion,
    energy,
    words,
)
from training.families.diffusion import Diffusion

SHAPE = Shape(1, 8, 3)
IDLE = {
    "wgan-gp": ["discriminator.real.bias"],
    "r3gan": ["discriminator.real.bias"],
}  # differences
EVERY = pytest.mark.parametrize("name", FAMILIES)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few of the steps that are many."""
    monkeypatch.setattr(diffusion, "LIKELIHOOD_STEPS", 2)
    monkeypatch.setattr(words, "STEPS", 3)
    monkeypatch.setattr(energy, "LEARNING", 3)
    monkeypatch.setattr(energy, "DRAWING", 6)


@cache
def _built(name: str) -> Learner:
    torch.manual_seed(0)
    needs = FAMILIES[name].needs
    one = FAMILIES[name].build(SHAPE, learner(needs) if needs else None)
    for part in one.modules():
        if isinstance(part, Diffusion):
            part.design = replace(part.design, steps=3)
    return one


def learner(name: str) -> Learner:
    """One that knows nothing, fresh."""
    return deepcopy(_built(name)).eval()


@cache
def batch(rows: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (rows, 1, 8, 8), generator=g)
    return pixels / 127.5 - 1, torch.arange(rows) % 3, torch.arange(rows) + 10


@EVERY
def test_it_says_what_it_is(name: str) -> None:
    family = FAMILIES[name]
    assert family.title and "arXiv" in family.source and family.explains.endswith(".")
    assert family.needs is None or family.needs in FAMILIES
    assert len({f.title for f in FAMILIES.values()}) == len(FAMILIES)


@EVERY
def test_it_learns_with_all_that_is_to_be_learnt(name: str) -> None:
    family, one = name, learner(name).train()
    with torch.no_grad():  # layers that start at nought pass no gradient on
        for weight in one.parameters():
            if weight.requires_grad and not weight.any():
                weight.normal_(0, 0.05)
    losses = one(*batch())
    assert all(loss.shape == () and loss.isfinite() for loss in losses.values())
    losses["loss"].backward()
    silent = [
        name
        for name, weight in one.named_parameters()
        if weight.requires_grad and (weight.grad is None or not weight.grad.any())
    ]
    assert silent == IDLE.get(family, [])
    assert all(weight.grad is None for weight in one.parameters() if not weight.requires_grad)


@EVERY
def test_its_work_is_counted(name: str) -> None:
    one = learner(name)
    with Flops() as learning:
        one(*batch())["loss"].backward()
    with Flops() as drawing:
        one.draw(torch.tensor([0]), 0)
    assert learning.total > 0 and drawing.total > 0


@EVERY
def test_its_losses_follow_from_state_and_seed(name: str) -> None:
    x, label, seed = batch()
    found = []
    for noise in (1, 2):
        one = learner(name).train()
        torch.manual_seed(noise)  # nothing may come from here
        found.append((one(x, label, seed), {k: v.clone() for k, v in one.state_dict().items()}))
    (a, state), (b, other) = found
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert all(torch.equal(state[key], other[key]) for key in state)
    assert learner(name)(x, label, torch.tensor(5))["loss"].isfinite()


@EVERY
def test_a_split_batch_is_the_whole_one(name: str) -> None:
    x, label, seed = batch()
    one = learner(name)
    with torch.no_grad():
        whole = one(x, label, seed)["loss"]
        halves = [one(x[k : k + 3], label[k : k + 3], seed[k : k + 3])["loss"] for k in (0, 3)]
    torch.testing.assert_close(torch.stack(halves).mean(), whole, atol=1e-4, rtol=1e-4)


@EVERY
def test_it_draws_the_same_pictures_from_the_same_seeds(name: str) -> None:
    one, label = learner(name), torch.tensor([0, 1, 2])
    drawn = one.draw(label, 7)
    assert drawn.shape == (3, 1, 8, 8) and drawn.min() >= -1 and drawn.max() <= 1 and drawn.isfinite().all()
    assert not drawn.requires_grad and one.evaluations >= 1
    torch.manual_seed(9)
    assert torch.equal(one.draw(label, 7), drawn)
    assert not torch.equal(one.draw(label, 70), drawn)
    torch.testing.assert_close(one.draw(label[1:], 8), drawn[1:], atol=1e-3, rtol=1e-3)


@EVERY
def test_its_strip_has_its_frames(name: str) -> None:
    strip = learner(name).strip(torch.tensor([0, 1]), 3, 4)
    assert strip.shape == (4, 2, 1, 8, 8) and strip.abs().max() <= 1
    assert not torch.equal(strip[0], strip[-1])


@EVERY
def test_its_state_is_whole(name: str) -> None:
    one, other = learner(name).train(), learner(name)
    one(*batch())  # buffers move
    with torch.no_grad():
        for weight in one.parameters():
            weight.add_(0.01)
    other.load_state_dict(one.state_dict())
    label = torch.tensor([0, 1])
    assert torch.equal(one.eval().draw(label, 1), other.draw(label, 1))


@EVERY
def test_what_it_can_say_of_pictures(name: str) -> None:
    one, (x, _, _) = learner(name), batch()
    if isinstance(one, Likelihood):
        found = one.bits_per_dimension(x, 3)
        assert found.shape == (6,) and found.isfinite().all()
        assert torch.equal(found, one.bits_per_dimension(x, 3))
    if isinstance(one, Reconstruction):
        again = one.reconstruct(x)
        assert again.shape == x.shape and again.abs().max() <= 1
    assert isinstance(one, Checkpoint) == FAMILIES[name].checkpoint


def test_large_pictures_in_colour() -> None:
    """Every family at 32 x 32 x 3: it learns; the ones that are quick to draw do."""
    shape, slow = Shape(3, 32, 3), ("pixelcnn", "transformer")
    x, label = torch.rand(2, 3, 32, 32) * 2 - 1, torch.tensor([0, 2])
    for name, family in FAMILIES.items():
        needed = FAMILIES[family.needs].build(shape, None) if family.needs else None
        one = family.build(shape, needed)
        with torch.no_grad():
            assert one(x, label, torch.tensor(0))["loss"].isfinite()
        if name not in slow:
            assert one.eval().draw(label[:1], 0).shape == (1, 3, 32, 32)
