"""The Brownian path: independent standard steps, which add up, and pictures that settle as steps grow."""

from itertools import pairwise

import pytest
import torch

from schedulers import SAMPLERS, BrownianNoise, Level, SeededNoise, solve
from schedulers.level import CLEAN, on_path
from tests.schedulers.exact import PAIR, karras

SHAPE = (4, 48, 48)


def path(steps: int) -> list[Level]:
    return [*(on_path("vp", karras(10, 0.05, i / (steps - 1))) for i in range(steps)), CLEAN]


def test_every_step_is_standard_and_independent_of_the_others() -> None:
    levels = [Level(0.0, 1.0), *path(12)]  # from pure noise on
    noise = BrownianNoise((3,), SHAPE, levels)
    made = torch.stack([noise(k).flatten() for k in range(len(levels) - 2)])
    assert made.mean(1).abs().max() < 4 / made.shape[1] ** 0.5
    assert torch.allclose(torch.cov(made), torch.eye(len(made)), atol=0.06)


def test_two_steps_add_up_to_the_one_over_both() -> None:
    fine = [on_path("vp", s) for s in (8.0, 3.1, 2.9, 0.4, 0.39, 0.06)]
    coarse = [fine[0], fine[3], fine[5]]
    parts, wholes = BrownianNoise((5, 6), SHAPE, fine), BrownianNoise((5, 6), SHAPE, coarse)

    def gained(noise: BrownianNoise, step: int) -> torch.Tensor:
        a, b = (level.ve_sigma**-2 for level in noise.levels[step : step + 2])
        return (b - a) ** 0.5 * noise(step)

    for step, several in enumerate((range(0, 3), range(3, 5))):
        added = sum(gained(parts, k) for k in several)
        torch.testing.assert_close(added, gained(wholes, step), rtol=0, atol=1e-3)


def test_an_image_has_its_noise_alone_and_in_company() -> None:
    together = BrownianNoise((1, 2**32 - 1), SHAPE, path(9))
    assert torch.equal(BrownianNoise((2**32 - 1,), SHAPE, path(9))(4)[0], together(4)[1])


@pytest.mark.parametrize("name", ["euler-a", "ddpm", "dpmpp-2m-sde", "er-sde"])
def test_the_picture_settles_as_the_steps_grow(name: str) -> None:
    """Twice the steps change less and less; with noise of its own at each step, they make another picture."""

    def drawn(steps: int, brownian: bool) -> torch.Tensor:
        levels, shape = path(steps), (1, 16, 16)
        noise = BrownianNoise((0,), shape, levels) if brownian else SeededNoise((0,), shape)
        x = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        return solve(SAMPLERS[name], PAIR.denoise, x * levels[0].sigma, levels, noise)

    changes = [
        (b - a).square().mean().sqrt().item()
        for a, b in pairwise([drawn(n, True) for n in (10, 20, 40, 80, 160)])
    ]
    assert changes[-1] < 0.35 * changes[0], changes
    own = (drawn(160, False) - drawn(80, False)).square().mean().sqrt().item()
    assert changes[-1] < 0.25 * own


def test_only_samplers_that_draw_once_a_step_follow_a_path() -> None:
    levels = path(6)
    x = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * levels[0].sigma
    for name, sampler in SAMPLERS.items():
        drawn: list[tuple[int, int]] = []

        def noise(step: int, slot: int = 0, drawn: list[tuple[int, int]] = drawn) -> torch.Tensor:
            drawn.append((step, slot))
            return torch.zeros(1, 1, 4, 4)

        solve(sampler.with_eta(1.0) if sampler.eta is not None else sampler, PAIR.denoise, x, levels, noise)
        steady = len(set(drawn)) == len(drawn) and all(slot == 0 for _, slot in drawn)
        assert steady or not sampler.path, (name, drawn)
        assert all(step < len(levels) - 2 for step, _ in drawn) or not sampler.path, (name, drawn)
