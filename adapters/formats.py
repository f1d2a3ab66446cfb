"""The formats of LoRA files, for one module: what each is made of, and the shape that it adds up to.

All of it is told by the shapes of the tensors, before anything is multiplied: a file of a few kilobytes may
otherwise ask for gigabytes. Knows no files and no modules' names; ``adapters/patch.py`` multiplies.
"""

from collections.abc import Mapping, Sequence
from math import prod

from torch import Tensor

SUFFIXES = (  # of the tensors of one module
    "lora_down.weight", "lora_up.weight", "lora_mid.weight", "lora_A.weight", "lora_B.weight", "down.weight",
    "up.weight", "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2", "lokr_w1",
    "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2", "dora_scale",
    "lora_magnitude_vector", "lora_magnitude_vector.weight", "diff", "alpha",
)  # fmt: skip
PLAIN = {  # one name for what the formats call differently
    "lora_A.weight": "lora_down", "lora_down.weight": "lora_down", "down.weight": "lora_down",
    "lora_B.weight": "lora_up", "lora_up.weight": "lora_up", "up.weight": "lora_up",
    "lora_mid.weight": "lora_mid", "lora_magnitude_vector.weight": "lora_magnitude_vector",
}  # fmt: skip
FORMATS = {
    "LoRA": {"lora_down", "lora_up", "lora_mid"},
    "LoHa": {f"hada_w{k}_{s}" for k in (1, 2) for s in "ab"} | {"hada_t1", "hada_t2"},
    "LoKr": {f"lokr_w{k}{s}" for k in (1, 2) for s in ("", "_a", "_b")} | {"lokr_t2"},
    "whole change": {"diff"},
}
LARGEST = 8  # times the numbers of the weight, which the factors of a change may have together
SMALL = 1 << 20  # numbers that they may always have: a core for all of a file is larger than a small weight


def plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``tensors`` by plain names. Raises ``ValueError`` where two have the same, or one holds no numbers."""
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if (its := PLAIN.get(name, name)) in named:
            raise ValueError(f"has its {its} factor twice; allowed: once")
        if tensor.is_complex() or not (tensor.is_floating_point() or name == "alpha"):
            raise ValueError(f"has {name} in {str(tensor.dtype).removeprefix('torch.')}; allowed: floats")
        named[its] = tensor
    return named


def rank_of(named: Mapping[str, Tensor], weight: Sequence[int]) -> int:
    """The rank of a change of a weight of that shape; 0 where it has none.

    Raises ``ValueError`` where the tensors are of no format, or the change is not of the weight's shape.
    """
    what = _format(named)
    factors = {name: tensor.shape for name, tensor in named.items() if name in FORMATS[what]}
    for name, shape in factors.items():
        if what != "whole change" and (len(shape) not in (2, 4) or 0 in shape):
            raise ValueError(f"has {name} of shape {list(shape)}; allowed: two or four sides, none of them 0")
    if "alpha" in named and named["alpha"].numel() != 1:
        raise ValueError(f"has an alpha of {named['alpha'].numel()} numbers; allowed: one")
    rank, made = {"LoRA": _lora, "LoHa": _loha, "LoKr": _lokr, "whole change": _diff}[what](factors)
    if not _same(made, weight):
        raise ValueError(f"is of shape {list(made)} for a weight of {list(weight)}")
    numbers, most = sum(map(prod, factors.values())), max(LARGEST * prod(weight), SMALL)
    if numbers > most:
        raise ValueError(f"is of rank {rank}, whose factors have {numbers} numbers; allowed here: {most}")
    return rank


def _format(named: Mapping[str, Tensor]) -> str:
    there = [what for what, names in FORMATS.items() if named.keys() & names]
    if not there:
        raise ValueError(f"has {', '.join(sorted(named))}, which are no format that is known")
    if len(there) > 1:
        some = ", ".join(sorted(named))
        raise ValueError(f"is a {' and a '.join(there)} at once ({some}); allowed: one of them")
    if {"dora_scale", "lora_magnitude_vector"} <= named.keys():
        raise ValueError("has its magnitudes twice; allowed: once")
    return there[0]


def _need(what: str, factors: Mapping[str, Sequence[int]], *names: str) -> None:
    if missing := [name for name in names if name not in factors]:
        raise ValueError(f"is a {what} without {' and '.join(missing)}; allowed: one with all of its factors")


def _lora(shapes: Mapping[str, Sequence[int]]) -> tuple[int, Sequence[int]]:
    """LoRA (arXiv:2106.09685), and LoCon: for convolutions, with or without a core."""
    _need("LoRA", shapes, "lora_down", "lora_up")
    down, up, core = shapes["lora_down"], shapes["lora_up"], shapes.get("lora_mid")
    fits = up[1] == down[0] if core is None else tuple(core[:2]) == (up[1], down[0])
    if not fits or prod(up[2:]) != 1 or (core is not None and prod(down[2:]) != 1):
        some = " and ".join(str(list(shape)) for shape in (up, core, down) if shape is not None)
        raise ValueError(f"has factors of shapes {some}, which do not fit one another")
    return down[0], (up[0], down[1], *(down if core is None else core)[2:])


def _loha(shapes: Mapping[str, Sequence[int]]) -> tuple[int, Sequence[int]]:
    """The Hadamard product of two products (arXiv:2108.06098)."""
    _need("LoHa", shapes, *(f"hada_w{k}_{s}" for k in (1, 2) for s in "ab"))
    if ("hada_t1" in shapes) != ("hada_t2" in shapes):
        raise ValueError("is a LoHa with one core; allowed: two or none")
    (rank, first), (other, second) = (_product(shapes, f"hada_w{k}", f"hada_t{k}") for k in (1, 2))
    if rank != other or first != second:
        raise ValueError(
            f"multiplies {list(first)} of rank {rank} with {list(second)} of rank {other}; allowed: the same"
        )
    return rank, first


def _lokr(shapes: Mapping[str, Sequence[int]]) -> tuple[int, Sequence[int]]:
    """The Kronecker product of two factors, each whole or a product (LyCORIS, arXiv:2309.14859, sec. 3)."""
    (ranks, first), (more, second) = (_lokr_half(shapes, k) for k in (1, 2))
    if prod(first[2:]) != 1:
        raise ValueError(f"has lokr_w1 of shape {list(first)}; allowed: two sides")
    if ranks and more and ranks != more:
        raise ValueError(f"has halves of ranks {ranks} and {more}; allowed: the same")
    return more or ranks, (first[0] * second[0], first[1] * second[1], *second[2:])


def _lokr_half(shapes: Mapping[str, Sequence[int]], k: int) -> tuple[int, Sequence[int]]:
    name = f"lokr_w{k}"
    parts = {f"{name}_a", f"{name}_b"} & shapes.keys()
    core = "lokr_t2" if k == 2 else ""
    if name in shapes:
        if parts or core in shapes:
            raise ValueError(f"has {name} whole and in factors; allowed: one of them")
        return 0, shapes[name]
    if not parts:
        _need("LoKr", shapes, name)
    _need("LoKr", shapes, f"{name}_a", f"{name}_b")
    return _product(shapes, name, core)


def _product(shapes: Mapping[str, Sequence[int]], name: str, core: str) -> tuple[int, Sequence[int]]:
    """(rank, shape) of a @ b, where a is (m, r), b (r, n ...); with a core (r, r, ...), (r, m) and (r, n)."""
    a, b = shapes[f"{name}_a"], shapes[f"{name}_b"]
    if core in shapes:
        c = shapes[core]
        fits = tuple(c[:2]) == (a[0], b[0]) and a[0] == b[0] and prod(a[2:]) == prod(b[2:]) == 1
        made = (a[1], b[1], *c[2:])
    else:
        fits = a[1] == b[0] and prod(a[2:]) == 1
        made = (a[0], *b[1:])
    if not fits:
        raise ValueError(f"has {name}_a of shape {list(a)} and {name}_b of {list(b)}, which do not fit")
    return b[0], made


def _diff(shapes: Mapping[str, Sequence[int]]) -> tuple[int, Sequence[int]]:
    return 0, shapes["diff"]


def _same(made: Sequence[int], weight: Sequence[int]) -> bool:
    """Whether a change is of the weight's shape, or of that as a matrix (out, in * height * width)."""
    if len(made) == 2:
        return tuple(made) == (weight[0], prod(weight[1:]))
    alone = prod(made[2:]) == prod(weight[2:]) == 1  # a Linear and a convolution of 1 x 1 are written alike
    return tuple(made) == tuple(weight) or (alone and tuple(made[:2]) == tuple(weight[:2]))
