"""A look at, and a hand on, the tiny model's real U-Net calls while an engine draws."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from torch import Tensor, nn

from models import Parts
from pipelines import Recipe


@dataclass
class Network:
    """Sees every call: ``before(rows, context)`` may raise or wait, ``after(answer, context)`` change it."""

    calls: list[int] = field(default_factory=list)  # rows of each
    before: Callable[[int, Tensor], None] = lambda rows, context: None
    after: Callable[[Tensor, Tensor], Tensor] = lambda answer, context: answer


@pytest.fixture
def network(tiny: Parts) -> Iterator[Network]:
    seen = Network()

    def enter(unet: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        seen.calls.append(len(args[0]))
        seen.before(len(args[0]), kwargs["encoder_hidden_states"])

    def leave(unet: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], output):
        output.sample = seen.after(output.sample, kwargs["encoder_hidden_states"])
        return output

    hooks = [
        tiny.unet.register_forward_pre_hook(enter, with_kwargs=True),
        tiny.unet.register_forward_hook(leave, with_kwargs=True),
    ]
    yield seen
    for hook in hooks:
        hook.remove()


@pytest.fixture
def a_recipe() -> Callable[..., Recipe]:
    """A recipe of 4 DDIM steps on the tiny model, changed as asked."""
    return lambda **changes: Recipe(
        **{"model": "tiny", "prompt": "cat", "sampler": "ddim", "steps": 4, "width": 64, "height": 64}
        | changes
    )
