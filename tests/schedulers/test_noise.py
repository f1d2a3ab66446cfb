"""Noise is a pure function of (seed, step, slot): the same alone, in company and after a pause."""

import pytest
import torch

from schedulers import SeededNoise, first_noise

SHAPE = (4, 32, 32)


def test_first_noise_is_what_a_diffusers_script_draws() -> None:
    rows = first_noise([5, 6], SHAPE)
    for row, seed in zip(rows, (5, 6), strict=True):
        assert torch.equal(row, torch.randn((1, *SHAPE), generator=torch.Generator().manual_seed(seed))[0])


def test_later_noise_does_not_depend_on_the_company_or_the_order() -> None:
    together = SeededNoise((5, 6, 2**32 - 1), SHAPE)
    late = together(9, 1)
    for row, seed in enumerate(together.seeds):
        assert torch.equal(SeededNoise((seed,), SHAPE)(9, 1)[0], late[row])
    assert torch.equal(together(9, 1), late)


def test_the_numbers_stay_what_they_are() -> None:
    """A library that changed its stream would change every stochastic picture: it must be noticed."""
    made = SeededNoise((7,), (1, 1, 4))(3, 1).flatten().tolist()
    assert made == pytest.approx(PINNED, abs=1e-6)


def test_all_draws_are_standard_normal_and_unrelated() -> None:
    """Ten sources of 4096 numbers: mean, deviation and each correlation within 5 standard errors."""
    draws = [first_noise([5], SHAPE), first_noise([6], SHAPE)]
    draws += [
        SeededNoise((seed,), SHAPE)(step, slot) for seed in (5, 6) for step in (0, 1) for slot in (0, 1)
    ]
    rows = torch.stack([draw.flatten() for draw in draws])
    error = 5 / 4096**0.5
    assert rows.mean(1).abs().max() < error
    assert (rows.std(1) - 1).abs().max() < error
    assert (torch.corrcoef(rows) - torch.eye(10)).abs().max() < error


PINNED = [-0.3518028, 0.1960872, -0.0333348, -0.1802408]
