"""What each guidance rule must be: its formula, its edges, and that it looks at one image at a time."""

import math

import pytest
import torch
from torch import Tensor

from schedulers import GUIDANCE, SAMPLERS, Level, Strength, solve
from schedulers.ask import NEGATIVE, PROMPT, WORDLESS, Ask, Branch
from schedulers.guidance import Guide
from schedulers.guidance.apg import projected
from schedulers.guidance.autoguidance import WEAK
from schedulers.guidance.cfg_zero import on_velocities
from schedulers.guidance.rule import dot, rescale
from schedulers.level import on_path
from tests.schedulers.exact import Mixture, levels_between, uniform

X = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
CUT, BLURRED = (PROMPT._replace(network=network) for network in ("identity-attention", "mean-query"))
BRANCHES = {
    PROMPT: X.sin(), NEGATIVE: X.cos() + 1, WORDLESS: X / 2 - 0.3,
    CUT: X.sin() * 0.8, BLURRED: X.sin() + 0.1, WEAK: X.sin() * 0.5 - 0.1,
}  # fmt: skip
LEVELS = [on_path("vp", s) for s in (4.0, 4 / 3, 0.5)] + [Level(1.0, 0.0)]
AT = LEVELS[1]


def send(guide: Guide, ask: Ask, branches: dict[Branch, Tensor] = BRANCHES) -> tuple[Tensor, list[Branch]]:
    """The guided estimate, and which branches were asked for, in their order."""
    guiding = guide(ask)
    wanted = next(guiding)
    assert all(e.x is ask.x and e.level == ask.level for e in wanted)
    with pytest.raises(StopIteration) as done:
        guiding.send(tuple(branches[e.branch] for e in wanted))
    return done.value.value, [e.branch for e in wanted]


def guided(guidance: float, phi: float = 0.0, rule: str = "cfg") -> tuple[Tensor, list[Branch]]:
    return send(GUIDANCE[rule].begin(Strength(guidance, phi), LEVELS), Ask(X, AT))


def perturbed(guidance: float, perturbation: float, rule: str) -> tuple[Tensor, list[Branch]]:
    strength = Strength(guidance, perturbation=perturbation)
    return send(GUIDANCE[rule].begin(strength, LEVELS), Ask(X, AT))


@pytest.mark.parametrize("rule", GUIDANCE)
def test_a_rule_names_every_branch_that_it_asks_for(rule: str) -> None:
    assert set(guided(3.0, rule=rule)[1]) == set(GUIDANCE[rule].branches)


@pytest.mark.parametrize("guidance", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("perturbation", [0.0, 2.0])
@pytest.mark.parametrize("rule", GUIDANCE)
def test_what_a_rule_says_that_it_asks_is_what_it_asks(
    rule: str, perturbation: float, guidance: float
) -> None:
    strength = Strength(guidance, perturbation=perturbation)
    assert sorted(perturbed(guidance, perturbation, rule)[1]) == sorted(GUIDANCE[rule].asks(strength))


@pytest.mark.parametrize(("rule", "other"), [("pag", CUT), ("seg", BLURRED)])
def test_a_perturbation_adds_the_way_from_the_perturbed_network(rule: str, other: Branch) -> None:
    c, u, p = BRANCHES[PROMPT], BRANCHES[NEGATIVE], BRANCHES[other]
    torch.testing.assert_close(perturbed(4.0, 3.0, rule)[0], u + 4 * (c - u) + 3 * (c - p))
    torch.testing.assert_close(perturbed(0.0, 3.0, rule)[0], u + 3 * (c - p))
    made, asked = perturbed(1.0, 3.0, rule)
    torch.testing.assert_close(made, c + 3 * (c - p))
    assert asked == [PROMPT, other]  # no negative prompt where it has no effect


@pytest.mark.parametrize("rule", ["pag", "seg"])
def test_without_a_perturbation_it_is_plain_guidance_bit_for_bit(rule: str) -> None:
    made, asked = perturbed(4.0, 0.0, rule)
    assert torch.equal(made, guided(4.0)[0]) and asked == [PROMPT, NEGATIVE]


def test_autoguidance_goes_away_from_the_weak_model() -> None:
    made, asked = guided(2.0, rule="autoguidance")
    torch.testing.assert_close(made, 2 * BRANCHES[PROMPT] - BRANCHES[WEAK])
    assert asked == [PROMPT, WEAK]
    assert guided(0.0, rule="autoguidance")[0] is BRANCHES[WEAK]


@pytest.mark.parametrize("rule", GUIDANCE)
def test_guidance_one_is_the_prompt_untouched_under_every_rule(rule: str) -> None:
    made, asked = guided(1.0, phi=0.7, rule=rule)
    assert asked == [PROMPT] and made is BRANCHES[PROMPT]


@pytest.mark.parametrize("rule", GUIDANCE)
def test_no_image_sees_another(rule: str) -> None:
    whole, _ = guided(5.0, 0.5, rule)
    for k in range(3):
        one = {name: branch[[k]] for name, branch in BRANCHES.items()}
        alone, _ = send(GUIDANCE[rule].begin(Strength(5.0, 0.5), LEVELS), Ask(X[[k]], AT), one)
        torch.testing.assert_close(alone, whole[[k]])


@pytest.mark.parametrize(("low", "high", "inside"), [
    (0.0, math.inf, True), (1.0, 2.0, True), (4 / 3, 2.0, False), (0.0, 1.3, False), (0.0, 4 / 3, True),
])  # fmt: skip
def test_outside_its_interval_a_rule_asks_the_prompt_alone(low: float, high: float, inside: bool) -> None:
    level = Level(3.0, 4.0)  # VE sigma 4 / 3 to the bit
    made, asked = send(GUIDANCE["cfg"].begin(Strength(3.0, 0.0, low, high), LEVELS), Ask(X, level))
    assert asked == ([PROMPT, NEGATIVE] if inside else [PROMPT])
    assert torch.equal(made, guided(3.0)[0]) if inside else made is BRANCHES[PROMPT]


def test_cfg_pp_is_guided_x0_with_unguided_noise() -> None:
    """Euler's step after it is equation by equation the paper's (algorithm 2)."""
    strength = 6.0
    made, _ = guided(strength, rule="cfg-pp")
    a, b = LEVELS[1], LEVELS[2]
    step = SAMPLERS["euler"](X, [a, b], lambda step, slot=0: X)
    next(step)
    with pytest.raises(StopIteration) as done:
        step.send(made)
    c, u = BRANCHES[PROMPT], BRANCHES[NEGATIVE]
    paper = b.alpha * (u + strength / 12.5 * (c - u)) + b.sigma * (X - a.alpha * u) / a.sigma
    torch.testing.assert_close(done.value.value, paper)


@pytest.mark.parametrize("rule", GUIDANCE)
def test_a_rule_answers_at_the_last_level_too(rule: str) -> None:
    """A sampler may look at the end of a path that keeps some noise."""
    made, _ = send(GUIDANCE[rule].begin(Strength(3.0), LEVELS[:-1]), Ask(X, LEVELS[-2]))
    assert made.isfinite().all()


def test_apg_adds_nothing_along_the_conditional_estimate() -> None:
    made, _ = guided(9.0, rule="apg")
    c = BRANCHES[PROMPT]
    torch.testing.assert_close(dot(made - c, c), torch.zeros(3, 1, 1, 1), atol=1e-4, rtol=0)
    length = ((made - c) / 8).square().mean((1, 2, 3)).sqrt()
    assert (length <= 15 / 128 + 1e-6).all()


def test_apg_takes_part_of_the_last_difference_away() -> None:
    guide = GUIDANCE["apg"].begin(Strength(3.0), LEVELS)
    small = {name: branch / 100 for name, branch in BRANCHES.items()}
    first, _ = send(guide, Ask(X, LEVELS[0]), small)
    second, _ = send(guide, Ask(X, LEVELS[1]), small)
    c = small[PROMPT]
    torch.testing.assert_close(second - c, (first - c) / 2)  # d - d / 2
    fresh, _ = send(GUIDANCE["apg"].begin(Strength(3.0), LEVELS), Ask(X, LEVELS[1]), small)
    assert torch.equal(fresh, first)  # what one drawing carries, another does not see


def test_cfg_zero_scales_the_unconditional_velocity_to_the_nearest() -> None:
    alpha, sigma = AT
    made, _ = guided(4.0, rule="cfg-zero")
    v, v_c, v_u = ((X - (alpha + sigma) * x0) / sigma for x0 in
                   (made, BRANCHES[PROMPT], BRANCHES[NEGATIVE]))  # fmt: skip
    scale = dot(v_c, v_u) / dot(v_u, v_u)
    torch.testing.assert_close(v, scale * v_u + 4 * (v_c - scale * v_u), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(dot(v_c - scale * v_u, v_u), torch.zeros(3, 1, 1, 1), atol=1e-4, rtol=0)


def test_neutral_apg_is_plain_guidance() -> None:
    """No momentum, no longest length, and all of what lies along the prompt's estimate."""
    guide = projected(Strength(5.0, 0.5), 0.0, math.inf, 1.0)
    for level in LEVELS[:2]:
        made, asked = send(guide, Ask(X, level))
        torch.testing.assert_close(made, guided(5.0, 0.5)[0], rtol=1e-5, atol=1e-5)
        assert asked == [PROMPT, NEGATIVE]
    for momentum, longest, along in ((-0.5, math.inf, 1.0), (0.0, 15 / 128, 1.0), (0.0, math.inf, 0.0)):
        guide = projected(Strength(5.0, 0.5), momentum, longest, along)
        send(guide, Ask(X, LEVELS[0]))
        assert not torch.allclose(send(guide, Ask(X, AT))[0], guided(5.0, 0.5)[0], atol=1e-2)


@pytest.mark.parametrize("level", [AT, Level(0.4, 0.6), Level(1.0, 3.0), Level(0.0, 1.0)])
def test_neutral_cfg_zero_is_plain_guidance(level: Level) -> None:
    """The unconditional velocity as it is, and no step without one."""
    made, _ = send(on_velocities(Strength(4.0), None, 1.0), Ask(X, level))
    torch.testing.assert_close(made, guided(4.0)[0], rtol=1e-4, atol=1e-5)
    for still, scale in ((level, 1.0), (None, None)):
        other, _ = send(on_velocities(Strength(4.0), still, scale), Ask(X, level))
        assert not torch.allclose(other, made, atol=1e-2)


def test_cfg_zero_stands_still_in_the_first_step_of_a_flow() -> None:
    levels = [Level(0.0, 1.0), Level(0.4, 0.6), Level(1.0, 0.0)]
    made, _ = send(GUIDANCE["cfg-zero"].begin(Strength(4.0), levels), Ask(X, levels[0]))
    a, b = levels[:2]
    landed = b.alpha * made + (b.sigma / a.sigma) * (X - a.alpha * made)
    torch.testing.assert_close(landed, X)


def test_dynamic_thresholding_keeps_the_range_of_the_prompt() -> None:
    made, _ = guided(15.0, rule="dynamic")
    plain, _ = guided(15.0)
    c = BRANCHES[PROMPT]

    def reach(x: Tensor) -> Tensor:
        return torch.quantile((x - x.mean((2, 3), keepdim=True)).abs().flatten(2), 0.995, dim=2)

    assert (reach(plain) > 2 * reach(c)).all()
    assert (reach(made) <= 1.3 * reach(c)).all()


def test_dynamic_thresholding_within_the_range_is_plain_guidance() -> None:
    narrow = BRANCHES | {NEGATIVE: BRANCHES[PROMPT] * 1.5}
    made, _ = send(GUIDANCE["dynamic"].begin(Strength(1.5), LEVELS), Ask(X, AT), narrow)
    plain, _ = send(GUIDANCE["cfg"].begin(Strength(1.5), LEVELS), Ask(X, AT), narrow)
    torch.testing.assert_close(made, plain)


def test_perp_neg_leaves_what_prompt_and_negative_share() -> None:
    c, e = BRANCHES[PROMPT], BRANCHES[WORDLESS]
    same = BRANCHES | {NEGATIVE: e + 0.8 * (c - e)}  # a negative prompt along the prompt
    made, _ = send(GUIDANCE["perp-neg"].begin(Strength(4.0), LEVELS), Ask(X, AT), same)
    torch.testing.assert_close(made, e + 4 * (c - e), rtol=1e-4, atol=1e-4)
    plain, _ = guided(4.0, rule="perp-neg")
    main = c - e
    torch.testing.assert_close(dot(plain - e - 4 * main, main), torch.zeros(3, 1, 1, 1), atol=2e-3, rtol=0)


def test_guidance_on_two_gaussians_is_their_tilted_product() -> None:
    """x ~ (s_c^2 + sigma^2)^(w / 2) (s_u^2 + sigma^2)^((1 - w) / 2) for equal means."""
    s_c, s_u, w = 0.3, 1.0, 2.0
    prompt, empty = Mixture((1.0,), (0.0,), (s_c,)), Mixture((1.0,), (0.0,), (s_u,))
    levels = levels_between(uniform, 10.0, 0.1, 800, "ve")

    def network(x: Tensor, level: Level) -> Tensor:
        c, u = prompt.denoise(x, level), empty.denoise(x, level)
        return u + w * (c - u)

    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    found = solve("heun", network, x, levels, lambda step, slot=0: x).item()

    def size(sigma: float) -> float:
        return (s_c**2 + sigma**2) ** (w / 2) * (s_u**2 + sigma**2) ** ((1 - w) / 2)

    assert found == pytest.approx(size(0.1) / size(10.0), rel=1e-4)


@pytest.mark.parametrize(("guidance", "branch"), [(1.0, PROMPT), (0.0, NEGATIVE)])
def test_one_branch_alone_is_asked_alone_and_returned_untouched(guidance: float, branch: Branch) -> None:
    made, asked = guided(guidance, phi=0.7)
    assert asked == [branch]
    assert made is BRANCHES[branch]


def test_both_branches_come_in_one_request_and_are_extrapolated() -> None:
    made, asked = guided(3.0)
    assert asked == [PROMPT, NEGATIVE]
    torch.testing.assert_close(made, 3 * BRANCHES[PROMPT] - 2 * BRANCHES[NEGATIVE])


def test_full_rescale_restores_each_images_own_deviation() -> None:
    made, _ = guided(7.0, phi=1.0)
    torch.testing.assert_close(made.std((1, 2, 3)), BRANCHES[PROMPT].std((1, 2, 3)))
    half, _ = guided(7.0, phi=0.5)
    torch.testing.assert_close(half, (made + guided(7.0)[0]) / 2)


def test_rescale_of_a_batch_is_that_of_its_images() -> None:
    wide, narrow = X * torch.tensor([1.0, 10.0, 0.1]).reshape(3, 1, 1, 1), X.flip(0)
    whole = rescale(wide, narrow, 0.7)
    for k in range(3):
        torch.testing.assert_close(whole[k : k + 1], rescale(wide[k : k + 1], narrow[k : k + 1], 0.7))


def test_a_flat_estimate_survives_rescale() -> None:
    assert rescale(torch.full_like(X, 0.3), X, 0.7).isfinite().all()
