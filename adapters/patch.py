"""What a LoRA file adds to one module, from its tensors, format by format. Knows no files and no names.

Every format's own alpha / rank is folded in here, module by module, so mixed ranks and alphas are exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapters.formats import plain, rank_of


@dataclass(frozen=True, eq=False)
class Patch:
    """A change of one Linear or Conv2d: the product of ``up`` and ``down``, or a whole weight."""

    down: Tensor | None  # (r, in) or (r, in, kh, kw)
    up: Tensor  # (out, r) or (out, r, 1, 1); without ``down`` the change itself, of the weight's shape

    def add(self, module: nn.Module, x: Tensor) -> Tensor:
        """What the module's output gains for the input ``x``, at weight 1."""
        if isinstance(module, nn.Linear):
            return F.linear(x if self.down is None else F.linear(x, self.down), self.up)
        assert isinstance(module, nn.Conv2d)
        how = {"stride": module.stride, "padding": module.padding, "dilation": module.dilation}
        if self.down is None:
            return F.conv2d(x, self.up, None, **how, groups=module.groups)  # type: ignore[arg-type]
        return F.conv2d(F.conv2d(x, self.down, None, **how), self.up)  # type: ignore[arg-type]

    @property
    def whole(self) -> Tensor:
        """The change of the weight."""
        if self.down is None:
            return self.up
        return (self.up.flatten(1) @ self.down.flatten(1)).view(len(self.up), *self.down.shape[1:])


def patch(tensors: Mapping[str, Tensor], weight: Tensor, device: torch.device | None = None) -> Patch:
    """The patch of a module with ``weight``, from its tensors by ``SUFFIXES``; in the weight's dtype, on
    ``device`` (the weight's if None).

    Raises ``ValueError`` where they are of no known format or do not fit the module: before any of them is
    multiplied.
    """
    named = plain(tensors)
    rank = rank_of(named, weight.shape)
    named = {name: tensor.float() for name, tensor in named.items()}
    scale = float(named["alpha"]) / rank if "alpha" in named and rank else 1.0
    made = _made(named, weight.shape, scale)
    if (learnt := _magnitudes(named, weight.shape)) is not None:
        made = Patch(None, _decomposed(made.whole, *learnt, weight.float().cpu()))
    if not _finite(made):
        raise ValueError("holds numbers that are not finite")
    place = device or weight.device
    down = None if made.down is None else made.down.to(place, weight.dtype)
    made = Patch(down, made.up.to(place, weight.dtype))
    if not _finite(made):
        raise ValueError(f"holds numbers too large for {str(weight.dtype).removeprefix('torch.')}")
    return made


def _finite(made: Patch) -> bool:
    return all(bool(part.isfinite().all()) for part in (made.down, made.up) if part is not None)


def _made(named: Mapping[str, Tensor], shape: torch.Size, scale: float) -> Patch:
    if "lora_down" not in named or "lora_mid" in named:
        return Patch(None, _whole(named).reshape(shape) * scale)
    down, up = (named[name].flatten(1) for name in ("lora_down", "lora_up"))
    if len(shape) == 4:
        down, up = down.view(len(down), *shape[1:]), up[:, :, None, None]
    return Patch(down, up * scale)


def _whole(named: Mapping[str, Tensor]) -> Tensor:
    """The change as its format has it, in its order but perhaps not in its shape."""
    if "lora_mid" in named:  # LoCon with a core: a Tucker decomposition
        down, up = (named[name].flatten(1) for name in ("lora_down", "lora_up"))
        return torch.einsum("ijkl,jr,pi->prkl", _core(named["lora_mid"]), down, up)
    if "hada_w1_a" in named:
        return _product(named, "hada_w1", "hada_t1") * _product(named, "hada_w2", "hada_t2")
    if "diff" in named:
        return named["diff"]
    first, second = (named.get(name) for name in ("lokr_w1", "lokr_w2"))
    first = (_product(named, "lokr_w1") if first is None else first).flatten(1)
    second = _product(named, "lokr_w2", "lokr_t2") if second is None else second
    return torch.kron(first[:, :, None, None] if second.dim() == 4 else first, second)


def _product(named: Mapping[str, Tensor], name: str, core: str = "") -> Tensor:
    a, b = named[f"{name}_a"].flatten(1), named[f"{name}_b"].flatten(1)
    return torch.einsum("ijkl,jr,ip->prkl", _core(named[core]), b, a) if core in named else a @ b


def _core(tensor: Tensor) -> Tensor:
    return tensor if tensor.dim() == 4 else tensor[:, :, None, None]


def _magnitudes(named: Mapping[str, Tensor], shape: Sequence[int]) -> tuple[Tensor, int] | None:
    """DoRA's magnitudes, and whether there is one for each output (0) or input (1); None without them.

    PEFT has them for outputs: (out,) of a Linear, (1, out, 1, 1) of a convolution. kohya's trainers and
    LyCORIS write the side they are of where the weight has it, in their first versions that of the inputs.
    """
    outs, ins, rest = shape[0], shape[1], shape[2:]
    ones = (1,) * len(rest)
    if (sizes := named.get("lora_magnitude_vector")) is not None:
        wanted: dict[tuple[int, ...], int] = {(1, outs, *ones): 0} if rest else {(outs,): 0, (outs, 1): 0}
    elif (sizes := named.get("dora_scale")) is not None:
        wanted = {(1, ins): 1, (1, ins, *ones): 1, (outs,): 0, (outs, 1): 0, (outs, 1, *ones): 0}
    else:
        return None
    if (of := wanted.get(tuple(sizes.shape))) is None:
        allowed = " or ".join(str(list(one)) for one in wanted)
        raise ValueError(f"has magnitudes of shape {list(sizes.shape)}; allowed for its weight: {allowed}")
    return sizes, of


def _decomposed(change: Tensor, magnitude: Tensor, of: int, weight: Tensor) -> Tensor:
    """DoRA's change: the changed weight at its learnt magnitude, less the weight (arXiv:2402.09353, eq. 5).

    A magnitude for each output (``of`` 0) or input (1).
    """
    changed = weight + change
    over = [d for d in range(weight.dim()) if d != of]
    size = changed.square().sum(over, keepdim=True).sqrt().clamp_min(1e-12)
    return changed * (magnitude.reshape(size.shape) / size) - weight
