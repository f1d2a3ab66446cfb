"""Prompts in places: each place is guided by its own, and nothing of another's comes into it."""

import pytest
import torch
from torch import Tensor

from schedulers import GUIDANCE, SAMPLERS, Level, SeededNoise, Strength
from schedulers.ask import PROMPT, Ask, Branch, Sampling
from schedulers.guidance.compose import composed
from schedulers.guidance.regional import Area, regional, text_anywhere, text_in
from schedulers.level import on_path
from tests.schedulers.exact import Mixture

LEVELS = [on_path("vp", s) for s in (6.0, 3.0, 1.5, 0.7, 0.3, 0.1)] + [Level(1.0, 0.0)]
WORLDS = {  # text -> what it draws, the same in every latent
    "conditional": Mixture((1.0,), (0.5,), (0.4,)),
    "conditional 2": Mixture((1.0,), (0.2,), (0.6,)),
    "unconditional": Mixture((0.5, 0.5), (-1.0, 1.0), (0.5, 0.5)),
    "empty": Mixture((1.0,), (0.0,), (1.0,)),
    text_in("conditional", 1): Mixture((1.0,), (-0.8,), (0.3,)),
    text_in("conditional 2", 1): Mixture((1.0,), (0.9,), (0.3,)),
    text_in("unconditional", 1): Mixture((1.0,), (0.1,), (0.9,)),
}
OF_PROMPT = {"conditional": text_in("conditional", 1)}
HALF = torch.zeros(1, 1, 4, 6, dtype=torch.float64)
HALF[..., :3] = 1  # the left


def told(branch: Branch, x: Tensor, level: Level) -> Tensor:
    """A perturbed or weak network is half as sure."""
    x0 = WORLDS[branch.text].denoise(x, level)
    return x0 if branch.network == "whole" else x0 / 2


def drawn(sampler: str, rule: str, areas: list[Area], weights: tuple[tuple[float, ...], ...] = ((1.0,),),
          rows: int = 1) -> Tensor:  # fmt: skip
    """(B, 4, 4, 6) of an exact denoiser in which no latent sees another."""
    guide = GUIDANCE[rule].begin(Strength(3.0, perturbation=1.0), LEVELS)
    shape = (4, 4, 6)
    noise = SeededNoise(tuple(range(rows)), shape)
    x = noise(99).double() * LEVELS[0].sigma
    sampling: Sampling = SAMPLERS[sampler](x, LEVELS, lambda step, slot=0: noise(step, slot).double())
    x0: Tensor | None = None
    while True:
        try:
            ask = sampling.send(x0)  # type: ignore[arg-type]
        except StopIteration as end:
            return end.value
        guiding = regional(guide(ask), areas)
        for place, some in enumerate(weights):
            guiding = composed(guiding, some, place)
        answers: tuple[Tensor, ...] | None = None
        while True:
            try:
                wanted = guiding.send(answers)  # type: ignore[arg-type]
            except StopIteration as done:
                x0 = done.value
                break
            answers = tuple(told(one.branch, one.x, one.level) for one in wanted)


# They choose the size of a step by all of the picture.
ALONE = [*(name for name in SAMPLERS if SAMPLERS[name].alone), "predictor-corrector"]


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name not in ALONE])
def test_a_prompt_in_the_left_half_changes_the_left_half_alone(sampler: str) -> None:
    plain = drawn(sampler, "cfg", [Area(torch.ones_like(HALF))])
    made = drawn(sampler, "cfg", [Area(1 - HALF), Area(HALF, OF_PROMPT)])
    there = drawn(sampler, "cfg", [Area(torch.ones_like(HALF), OF_PROMPT), Area(torch.zeros_like(HALF))])
    assert torch.equal(made[..., 3:], plain[..., 3:])  # to the last bit
    assert torch.equal(made[..., :3], there[..., :3]) and not torch.allclose(made[..., :3], plain[..., :3])


@pytest.mark.parametrize("rule", ["cfg", "cfg-zero", "perp-neg", "pag", "autoguidance", "cfg-pp"])
def test_every_rule_and_joined_prompts_work_in_places(rule: str) -> None:
    areas = [Area(1 - HALF), Area(HALF, OF_PROMPT | {"unconditional": text_in("unconditional", 1)})]
    made = drawn("ddim", rule, areas, ((1.0, 0.5), (0.7, 0.6)))
    assert made.isfinite().all() and made[..., :3].mean() != made[..., 3:].mean()


def test_rows_are_drawn_as_they_are_alone() -> None:
    areas = [Area(1 - HALF * 0.6), Area(HALF * 0.6, OF_PROMPT)]
    both, first = (drawn("dpmpp-2m-sde", "cfg", areas, rows=rows) for rows in (2, 1))
    assert torch.equal(both[:1], first)


def test_a_text_that_all_share_is_asked_once() -> None:
    areas = [Area(1 - HALF), Area(HALF, OF_PROMPT)]
    guide = GUIDANCE["cfg"].begin(Strength(3.0), LEVELS)
    x = torch.zeros(1, 4, 4, 6, dtype=torch.float64)
    wanted = next(regional(guide(Ask(x, LEVELS[1])), areas))
    assert [one.branch.text for one in wanted] == ["conditional", text_in("conditional", 1), "unconditional"]
    assert {text_anywhere(one.branch.text) for one in wanted} == {PROMPT.text, "unconditional"}


def test_half_a_share_is_half_of_each() -> None:
    half = torch.full_like(HALF, 0.5)
    guide = GUIDANCE["cfg"].begin(Strength(1.0), LEVELS)
    x = torch.zeros(1, 4, 4, 6, dtype=torch.float64)
    guiding = regional(guide(Ask(x, LEVELS[1])), [Area(half), Area(half, OF_PROMPT)])
    next(guiding)
    with pytest.raises(StopIteration) as done:
        guiding.send((x + 1, x + 3))
    assert torch.equal(done.value.value, x + 2)
