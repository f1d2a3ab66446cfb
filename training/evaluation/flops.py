"""Counting what is multiplied and added: matrix products and convolutions, with torch's own formulas.

torch's ``FlopCounterMode`` hooks modules besides, to tell their shares apart, and autograd.grad refuses a
hooked input: gradient penalties and Langevin steps could not be counted by it. Knows no models.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Flops(TorchDispatchMode):
    """Counts in ``total`` while it is entered; a multiply and an add are two. Not in inference mode, where
    composite operations are not taken apart."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        formula: Callable[..., int] | None = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **kwargs, out_val=out)
        return out
