"""Every sampler at once, each with its own steps, in shared calls: what each draws alone, to 1e-12."""

import pytest
import torch
from torch import Tensor

from schedulers import SAMPLERS, Level, SeededNoise, solve
from schedulers.ask import Ask, Sampling
from tests.schedulers.exact import PAIR, karras, levels_between

SHAPE = (1, 4, 4)
NAMES = [name for name, sampler in SAMPLERS.items() if not sampler.alone]


def path(k: int) -> list[Level]:
    kind = ("vp", "ve", "flow")[k % 3]
    return [*levels_between(karras, 10.0, 0.1, 2 + k % 7, kind), Level(1.0, 0.0)]


def start(k: int) -> tuple[Tensor, SeededNoise]:
    seeds = tuple(range(10 * k, 10 * k + 1 + k % 3))
    draws = torch.Generator().manual_seed(k)
    x = torch.randn((len(seeds), *SHAPE), dtype=torch.float64, generator=draws)
    return x * path(k)[0].sigma, SeededNoise(seeds, SHAPE)


def test_mixed_company_changes_nothing() -> None:
    running = {k: SAMPLERS[name](start(k)[0], path(k), start(k)[1]) for k, name in enumerate(NAMES)}
    asks = {k: next(sampling) for k, sampling in running.items()}
    made: dict[int, Tensor] = {}
    while asks:
        rows = torch.cat([ask.x for ask in asks.values()])  # one call for all that is asked now
        levels = [ask.level for ask in asks.values() for _ in range(len(ask.x))]
        answers = torch.cat([PAIR.denoise(x[None], level) for x, level in zip(rows, levels, strict=True)])
        for k, answer in zip(list(asks), answers.split([len(ask.x) for ask in asks.values()]), strict=True):
            try:
                asks[k] = running[k].send(answer)
            except StopIteration as done:
                made[k] = done.value
                del asks[k]
    for k, name in enumerate(NAMES):
        x, noise = start(k)
        alone = solve(name, PAIR.denoise, x, path(k), noise)
        torch.testing.assert_close(made[k], alone, rtol=0, atol=1e-12, msg=name)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_pause_changes_nothing(name: str) -> None:
    """Held while others of its kind run, or begun anew and told again what it was told: the same bits."""
    k, sampler = 5, SAMPLERS[name]
    levels, noise = path(k), SeededNoise((7,), SHAPE)
    draws = torch.Generator().manual_seed(k)
    x = torch.randn(1, *SHAPE, dtype=torch.float64, generator=draws) * levels[0].sigma
    whole = solve(name, PAIR.denoise, x, levels, noise)

    def on(sampling: Sampling, ask: Ask, told: list[Tensor], most: int) -> Ask | Tensor:
        """``sampling`` after ``most`` more answers, or what it made."""
        for _ in range(most):
            told.append(PAIR.denoise(ask.x, ask.level))
            try:
                ask = sampling.send(told[-1])
            except StopIteration as done:
                return done.value
        return ask

    first, told = sampler(x, levels, noise), list[Tensor]()
    ask = on(first, next(first), told, 3)
    assert isinstance(ask, Ask)
    other = sampler(x + 1, levels, noise)
    on(other, next(other), [], 5)
    again = sampler(x, levels, SeededNoise((7,), SHAPE))
    same = next(again)
    for answer in told:
        same = again.send(answer)
    assert same.level == ask.level and torch.equal(same.x, ask.x)
    for sampling in (first, again):
        made = on(sampling, ask, [], 10_000)
        assert isinstance(made, Tensor) and torch.equal(made, whole)


def test_a_row_of_a_batch_is_the_row_alone() -> None:
    """Noise depends on seed, step and slot alone, so a row can be made again without its company."""
    for k, name in enumerate(NAMES):
        x, noise = start(3 * k + 2)  # three rows
        whole = solve(name, PAIR.denoise, x, path(k), noise)
        for row in range(3):
            one = SeededNoise(noise.seeds[row : row + 1], SHAPE)
            alone = solve(name, PAIR.denoise, x[[row]], path(k), one)
            torch.testing.assert_close(alone, whole[[row]], rtol=0, atol=1e-12, msg=name)
