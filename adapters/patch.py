"""What a LoRA file adds to one module, from its tensors, format by format. Knows no files and no names.

Every format's own alpha / rank is folded in here, module by module, so mixed ranks and alphas are exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SUFFIXES = (  # of the tensors of one module
    "lora_down.weight", "lora_up.weight", "lora_mid.weight", "lora_A.weight", "lora_B.weight", "down.weight",
    "up.weight", "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2", "lokr_w1",
    "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2", "dora_scale",
    "lora_magnitude_vector", "lora_magnitude_vector.weight", "diff", "alpha",
)  # fmt: skip


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

    Raises ``ValueError`` where they are of no known format or do not fit the module.
    """
    named = {_plain(name): tensor.float() for name, tensor in tensors.items()}
    made = _factors(named, weight.shape) or Patch(None, _whole(named, weight.shape))
    if made.whole.shape != weight.shape:
        raise ValueError(f"is of shape {list(made.whole.shape)} for a weight of {list(weight.shape)}")
    if not bool(made.up.isfinite().all()) or (made.down is not None and not bool(made.down.isfinite().all())):
        raise ValueError("holds numbers that are not finite")
    if "dora_scale" in named:
        made = Patch(None, _decomposed(made.whole, named["dora_scale"], weight.float().cpu()))
    place = device or weight.device
    down = None if made.down is None else made.down.to(place, weight.dtype)
    return Patch(down, made.up.to(place, weight.dtype))


def _plain(name: str) -> str:
    """One name for what the formats call differently."""
    if name.startswith("lora_magnitude_vector"):
        return "dora_scale"
    return {"lora_A.weight": "down", "lora_down.weight": "down", "down.weight": "down", "lora_B.weight": "up",
            "lora_up.weight": "up", "up.weight": "up", "lora_mid.weight": "mid"}.get(name, name)  # fmt: skip


def _factors(named: Mapping[str, Tensor], shape: torch.Size) -> Patch | None:
    """LoRA (arXiv:2106.09685) and LoCon without a core: alpha / r * up * down."""
    if not {"down", "up"} <= named.keys() or "mid" in named:
        return None
    down, up = named["down"], named["up"]
    if len(shape) == 4:
        down, up = (t if t.dim() == 4 else t[:, :, None, None] for t in (down, up))
    else:
        down, up = (t.flatten(1) for t in (down, up))
    if up.shape[1] != down.shape[0] or (up.dim() == 4 and up.shape[2:] != (1, 1)):
        raise ValueError(f"has factors of shapes {list(up.shape)} and {list(down.shape)}")
    return Patch(down, up * (_alpha(named, len(down)) / len(down)))


def _whole(named: Mapping[str, Tensor], shape: torch.Size) -> Tensor:
    if "mid" in named:  # LoCon with a core: a Tucker decomposition
        rank = len(named["down"])
        core = torch.einsum(
            "ijkl,jr,pi->prkl", named["mid"], named["down"].flatten(1), named["up"].flatten(1)
        )
        return core * (_alpha(named, rank) / rank)
    if "hada_w1_a" in named:
        rank = named["hada_w1_b"].shape[0]
        made = _loha_half(named, 1) * _loha_half(named, 2)
        return made.reshape(shape) * (_alpha(named, rank) / rank)
    if "lokr_w1" in named or "lokr_w1_a" in named:
        return _lokr(named, shape)
    if "diff" in named:
        return named["diff"].reshape(shape)
    raise ValueError(f"has {', '.join(sorted(named))}, which are no format that is known")


def _loha_half(named: Mapping[str, Tensor], k: int) -> Tensor:
    """One of the two products whose Hadamard product LoHa is (arXiv:2108.06098)."""
    a, b = named[f"hada_w{k}_a"], named[f"hada_w{k}_b"]
    if (core := named.get(f"hada_t{k}")) is None:
        return a @ b
    return torch.einsum("ijkl,jr,ip->prkl", core, b, a)


def _lokr(named: Mapping[str, Tensor], shape: torch.Size) -> Tensor:
    """The Kronecker product of two factors, each whole or a product (LyCORIS, arXiv:2309.14859, sec. 3)."""
    ranks: list[int] = []

    def factor(name: str) -> Tensor:
        if name in named:
            return named[name]
        a, b = named[f"{name}_a"], named[f"{name}_b"]
        ranks.append(b.shape[0])
        core = named.get("lokr_t2") if name == "lokr_w2" else None
        return a @ b.flatten(1) if core is None else torch.einsum("ijkl,jr,ip->prkl", core, b, a)

    first, second = factor("lokr_w1"), factor("lokr_w2")
    if second.dim() == 4:
        first = first[:, :, None, None]
    scale = _alpha(named, ranks[-1]) / ranks[-1] if ranks else 1.0
    return torch.kron(first, second).reshape(shape) * scale


def _alpha(named: Mapping[str, Tensor], rank: int) -> float:
    return float(named["alpha"]) if "alpha" in named else float(rank)


def _decomposed(change: Tensor, magnitude: Tensor, weight: Tensor) -> Tensor:
    """DoRA's change: the changed weight at its learnt magnitude, less the weight (arXiv:2402.09353, eq. 5).

    A magnitude for each output, or as kohya's trainers first had it, for each input.
    """
    changed = weight + change
    outputs = magnitude.numel() == len(weight) and magnitude.shape[0] == len(weight)
    over = [d for d in range(weight.dim()) if d != (0 if outputs else 1)]
    if magnitude.numel() != weight.shape[0 if outputs else 1]:
        raise ValueError(f"has {magnitude.numel()} magnitudes for a weight of {list(weight.shape)}")
    size = changed.square().sum(over, keepdim=True).sqrt().clamp_min(1e-12)
    return changed * (magnitude.reshape(size.shape) / size) - weight
