"""A seamless network's answer moves along with its picture; afterwards it is as it was; rows do not leak."""

import pytest
import torch
from torch import Tensor, nn

from adapters import seamless
from models import Parts
from pipelines import Recipe, draw
from pipelines.draw import denoise
from pipelines.requests import Denoise


@pytest.mark.parametrize(("axes", "shifts"), [("x", (0, 3)), ("y", (5, 0)), ("both", (2, 7))])
@pytest.mark.parametrize("padding", [(1, 1), (2, 1), (0, 2)])
def test_convolutions_that_go_round_commute_with_turning_the_picture(
    axes: str, shifts: tuple[int, int], padding: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 4, (3, 3), padding=padding), nn.Conv2d(4, 3, 3, padding=1)).double()
    x = torch.randn(2, 3, 12, 10, dtype=torch.double)

    def turned(values: Tensor) -> Tensor:
        return values.roll(shifts, (-2, -1))

    with torch.no_grad():
        plain = layers(x)
        with seamless(axes, layers):
            went_round, moved = layers(x), layers(turned(x))
        assert went_round.shape == plain.shape
        if padding == (1, 1):  # else the picture grows or shrinks, and does not turn as a whole
            assert torch.allclose(moved, turned(went_round))
        assert not torch.allclose(plain, went_round)
        assert torch.equal(layers(x), plain)
    assert [conv.padding for conv in layers] == [padding, (1, 1)]  # type: ignore[union-attr]
    assert not any(module._forward_pre_hooks for module in layers.modules())


def test_edges_fit_and_the_model_is_as_it_was(tiny: Parts) -> None:
    """The decoder of the tiny model alone: a picture of turned latents is the turned picture."""
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    before, state = tiny.decode(latents), {k: v.clone() for k, v in tiny.vae.state_dict().items()}
    with seamless("x", tiny.vae):
        whole, turned = tiny.decode(latents), tiny.decode(latents.roll(3, -1))
    assert torch.allclose(turned, whole.roll(24, -1), atol=1e-4)
    assert not torch.allclose(before, whole, atol=1e-2)
    assert torch.equal(tiny.decode(latents), before)
    assert all(torch.equal(value, state[name]) for name, value in tiny.vae.state_dict().items())
    with pytest.raises(RuntimeError), seamless("both", tiny.vae):
        raise RuntimeError
    assert torch.equal(tiny.decode(latents), before)


def test_rows_that_are_not_seamless_get_the_answers_they_get_alone(tiny: Parts) -> None:
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    context, level = tiny.encode_text(["a cat"]), tiny.levels[500]
    asks = [Denoise(x, level, context, seamless=axes) for axes in ("none", "x", "none", "both")]
    alone = [denoise([ask], tiny)[0] for ask in asks]
    for one, row in zip(alone, denoise(asks, tiny), strict=True):
        assert torch.allclose(one, row, atol=1e-5)
    assert not torch.allclose(alone[0], alone[1], atol=1e-3) and not torch.allclose(
        alone[1], alone[3], atol=1e-3
    )


def test_a_recipe_may_be_seamless(tiny: Parts) -> None:
    recipe = Recipe(prompt="a cat", steps=2, width=64, height=64)
    made = {axes: draw(recipe.model_copy(update={"seamless": axes}), tiny)[0].tobytes()
            for axes in ("none", "x", "y", "both")}  # fmt: skip
    assert len(set(made.values())) == 4
    assert draw(recipe, tiny)[0].tobytes() == made["none"]
