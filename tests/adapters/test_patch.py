"""Every format's change is what its definition says, and PEFT's where PEFT has it."""

import copy
import resource
import time

import pytest
import torch
from torch import Tensor, nn

from adapters.patch import Patch, patch
from models.torchvision_guard import guard_torchvision

guard_torchvision()
from peft import LoHaConfig, LoKrConfig, LoraConfig, get_peft_model  # noqa: E402

LINEAR, CONV = nn.Linear(6, 8), nn.Conv2d(6, 8, 3, stride=2, padding=1)


def some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def close(got: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)


def check_adds(made: Patch, module: nn.Module, x: Tensor) -> None:
    """What it adds to an output is what a module whose weight is the change would give."""
    how = {"stride": 2, "padding": 1} if isinstance(module, nn.Conv2d) else {}
    compute = nn.functional.conv2d if how else nn.functional.linear
    wanted = compute(x, made.whole, **how)  # type: ignore[arg-type]
    close(made.add(module, x), wanted)


@pytest.mark.parametrize("names", [("lora_down", "lora_up"), ("lora_A", "lora_B"), ("down", "up")])
@pytest.mark.parametrize("alpha", [None, 1.0, 8.0])
def test_lora(names: tuple[str, str], alpha: float | None) -> None:
    down, up = some(3, 6), some(8, 3, seed=1)
    tensors = {f"{names[0]}.weight": down, f"{names[1]}.weight": up}
    if alpha is not None:
        tensors["alpha"] = torch.tensor(alpha)
    made = patch(tensors, LINEAR.weight)
    close(made.whole, up @ down * ((alpha or 3) / 3))
    check_adds(made, LINEAR, some(2, 5, 6, seed=2))


def test_locon_and_its_core() -> None:
    down, up = some(3, 6, 3, 3), some(8, 3, 1, 1, seed=1)
    made = patch({"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(6.0)}, CONV.weight)
    close(made.whole, torch.einsum("or,rikl->oikl", up[..., 0, 0], down) * 2)
    check_adds(made, CONV, some(2, 6, 9, 7, seed=2))
    small, core = some(3, 6, 1, 1), some(3, 3, 3, 3, seed=5)
    made = patch(
        {
            "lora_down.weight": small,
            "lora_mid.weight": core,
            "lora_up.weight": up,
            "alpha": torch.tensor(1.5),
        },
        CONV.weight,
    )
    step = nn.functional.conv2d(nn.functional.conv2d(some(1, 6, 9, 7), small), core, stride=2, padding=1)
    wanted = nn.functional.conv2d(step, up) * 0.5
    close(made.add(CONV, some(1, 6, 9, 7)), wanted)


def test_loha() -> None:
    a1, b1, a2, b2 = some(8, 2), some(2, 6, seed=1), some(8, 2, seed=2), some(2, 6, seed=3)
    tensors = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2, "alpha": torch.tensor(1.0)}
    close(patch(tensors, LINEAR.weight).whole, (a1 @ b1) * (a2 @ b2) / 2)


def test_lokr() -> None:
    first, a, b = some(2, 3), some(4, 2, seed=1), some(2, 2, seed=2)
    tensors = {"lokr_w1": first, "lokr_w2_a": a, "lokr_w2_b": b, "alpha": torch.tensor(1.0)}
    close(patch(tensors, LINEAR.weight).whole, torch.kron(first, a @ b) / 2)
    whole = {"lokr_w1": first, "lokr_w2": some(4, 2), "alpha": torch.tensor(64.0)}  # no rank, no scale
    close(patch(whole, LINEAR.weight).whole, torch.kron(first, some(4, 2)))
    conv = {"lokr_w1": first, "lokr_w2": some(4, 2, 3, 3)}
    made = patch(conv, CONV.weight).whole
    close(made[:4, :2], first[0, 0] * some(4, 2, 3, 3))
    close(made[4:, 4:], first[1, 2] * some(4, 2, 3, 3))


@pytest.mark.parametrize("by", ["outputs", "inputs"])
def test_dora_has_the_magnitudes_that_it_learnt(by: str) -> None:
    down, up = some(3, 6), some(8, 3, seed=1)
    magnitude = some(8, 1, seed=4).abs() if by == "outputs" else some(1, 6, seed=4).abs()
    tensors = {"lora_down.weight": down, "lora_up.weight": up, "dora_scale": magnitude}
    changed = LINEAR.weight.detach() + patch(tensors, LINEAR.weight).whole
    close(changed.norm(dim=1 if by == "outputs" else 0), magnitude.flatten())
    plain = LINEAR.weight.detach() + up @ down
    close(nn.functional.normalize(changed, dim=1 if by == "outputs" else 0),
          nn.functional.normalize(plain, dim=1 if by == "outputs" else 0))  # fmt: skip


@pytest.mark.parametrize("by", ["outputs", "inputs"])
def test_dora_of_a_square_convolution_is_of_the_side_that_its_shape_says(by: str) -> None:
    """As LyCORIS has it: (out, 1, 1, 1) or (1, in, 1, 1)."""
    conv, down, up = nn.Conv2d(8, 8, 3), some(3, 8, 3, 3), some(8, 3, 1, 1, seed=1)
    magnitude = some(8, seed=4).abs()
    shape, over = ((8, 1, 1, 1), (1, 2, 3)) if by == "outputs" else ((1, 8, 1, 1), (0, 2, 3))
    tensors = {"lora_down.weight": down, "lora_up.weight": up, "dora_scale": magnitude.view(shape)}
    changed = conv.weight.detach() + patch(tensors, conv.weight).whole
    close(torch.linalg.vector_norm(changed, dim=over), magnitude)


@pytest.mark.parametrize("module", [
    nn.Linear(6, 8), nn.Linear(8, 8), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 16, 3, stride=2),
    nn.Conv2d(16, 8, 1),
], ids=lambda module: f"{type(module).__name__} {tuple(module.weight.shape)}")  # fmt: skip
@pytest.mark.parametrize("suffix", ["", ".weight"])
def test_pefts_dora(module: nn.Linear | nn.Conv2d, suffix: str) -> None:
    torch.manual_seed(1)
    plain = nn.Sequential(copy.deepcopy(module))
    config = LoraConfig(r=3, lora_alpha=5, target_modules=["0"], init_lora_weights=False, use_dora=True)
    theirs = get_peft_model(plain, config).base_model.model[0]  # type: ignore[index,union-attr]
    tensors = {
        name.replace(".default", "").removesuffix(".weight"): p.detach()
        for name, p in theirs.named_parameters()
    }
    learnt = tensors["lora_magnitude_vector"]
    learnt.mul_(torch.rand_like(learnt) + 0.5)  # as training would: at first they are those of the weight
    made = patch(
        {
            "lora_A.weight": tensors["lora_A"],
            "lora_B.weight": tensors["lora_B"],
            f"lora_magnitude_vector{suffix}": learnt,
            "alpha": torch.tensor(5.0),
        },
        module.weight.detach(),
    )
    with torch.no_grad():
        theirs.merge()
        close(module.weight + made.whole, theirs.get_base_layer().weight)


def test_numbers_too_large_for_the_models_dtype_are_refused() -> None:
    tensors = {"lora_down.weight": some(3, 6), "lora_up.weight": some(8, 3).sign() * 1e30}
    assert patch(tensors, LINEAR.weight).up.isfinite().all()
    with pytest.raises(ValueError, match="^holds numbers too large for float16$"):
        patch(tensors, LINEAR.weight.half())


@pytest.mark.parametrize(("config", "names"), [
    (LoraConfig(r=3, lora_alpha=5, target_modules=["0"], init_lora_weights=False),
     {"lora_A.default.weight": "lora_A.weight", "lora_B.default.weight": "lora_B.weight"}),
    (LoraConfig(r=3, lora_alpha=5, target_modules=["0"], init_lora_weights=False, use_dora=True),
     {"lora_A.default.weight": "lora_A.weight", "lora_B.default.weight": "lora_B.weight",
      "lora_magnitude_vector.default.weight": "lora_magnitude_vector"}),
    (LoHaConfig(r=3, alpha=5, target_modules=["0"], init_weights=False),
     {f"hada_w{k}_{s}.default": f"hada_w{k}_{s}" for k in (1, 2) for s in "ab"}),
    (LoKrConfig(r=2, alpha=2, target_modules=["0"], init_weights=False, decompose_factor=2),
     {f"lokr_w{k}{s}.default": f"lokr_w{k}{s}" for k in (1, 2) for s in ("", "_a", "_b")}),
], ids=["lora", "dora", "loha", "lokr"])  # fmt: skip
def test_pefts_own(config: LoraConfig, names: dict[str, str]) -> None:
    torch.manual_seed(1)
    plain = nn.Sequential(nn.Linear(6, 8))
    weight = plain[0].weight.detach().clone()
    theirs = get_peft_model(plain, config).base_model.model[0]  # type: ignore[index,union-attr]
    tensors = {names[name]: tensor.detach() for name, tensor in theirs.named_parameters() if name in names}
    assert len(tensors) >= 2
    alpha = config.lora_alpha if isinstance(config, LoraConfig) else config.alpha  # type: ignore[attr-defined]
    made = patch({**tensors, "alpha": torch.tensor(float(alpha))}, weight)
    with torch.no_grad():
        theirs.merge()
        close(weight + made.whole, theirs.get_base_layer().weight)


@pytest.mark.parametrize(("tensors", "said"), [
    ({"lora_down.weight": some(3, 7), "lora_up.weight": some(8, 3)}, "for a weight of"),
    ({"lora_down.weight": some(3, 6), "lora_up.weight": some(8, 4)}, "has factors of shapes"),
    ({"lora_down.weight": some(3, 6)}, "is a LoRA without lora_up; allowed"),
    ({"alpha": torch.tensor(1.0)}, "has alpha, which are no format that is known"),
    ({"lora_down.weight": some(0, 6), "lora_up.weight": some(8, 0)}, r"has lora_down of shape \[0, 6\]"),
    ({"lora_down.weight": torch.tensor(1.0), "lora_up.weight": some(8, 3)}, r"has lora_down of shape \[\]"),
    ({"lora_down.weight": some(3, 6, 1), "lora_up.weight": some(8, 3)}, r"of shape \[3, 6, 1\]"),
    ({"lora_down.weight": some(3, 2, 3, 1), "lora_up.weight": some(8, 3)}, "for a weight of"),
    ({"lora_down.weight": some(3, 6), "lora_up.weight": some(8, 3), "alpha": some(2)}, "alpha of 2 numbers"),
    ({"lora_down.weight": some(3, 6), "lora_up.weight": some(8, 3).int()}, "has lora_up.weight in int32"),
    ({"lora_down.weight": some(3, 6), "lora_A.weight": some(3, 6), "lora_up.weight": some(8, 3)}, "twice"),
    ({"lora_down.weight": some(3, 6), "lora_mid.weight": some(2, 3, 3, 3), "lora_up.weight": some(8, 3)},
     "has factors of shapes"),
    ({f"hada_w{k}_{s}": some(8, 2) if s == "a" else some(2, 6) for k, s in ("1a", "1b", "2a")},
     "is a LoHa without hada_w2_b; allowed"),
    ({f"hada_w{k}_{s}": some(8, k) if s == "a" else some(k, 6) for k in (1, 2) for s in "ab"},
     r"multiplies \[8, 6\] of rank 1 with \[8, 6\] of rank 2"),
    ({"hada_w1_a": some(6, 2), "hada_w1_b": some(2, 8), "hada_w2_a": some(6, 2), "hada_w2_b": some(2, 8)},
     r"is of shape \[6, 8\] for"),
    ({"hada_w1_a": some(8, 2), "hada_w1_b": some(2, 6), "hada_w2_a": some(8, 2), "hada_w2_b": some(2, 6),
      "hada_t1": some(2, 2, 1, 1)}, "is a LoHa with one core"),
    ({"lokr_w1": some(2, 3), "lokr_w2_b": some(2, 2)}, "is a LoKr without lokr_w2_a; allowed"),
    ({"lokr_w1": some(2, 3)}, "is a LoKr without lokr_w2; allowed"),
    ({"lokr_w1": some(2, 3), "lokr_w2": some(4, 2), "lokr_w2_a": some(4, 2)}, "has lokr_w2 whole and in"),
    ({"lokr_w1": some(2, 3), "lokr_w2_a": some(4, 1), "lokr_w2_b": some(2, 2)}, "which do not fit"),
    ({"lokr_w1": some(2, 2), "lokr_w2": some(4, 2)}, r"is of shape \[8, 4\] for"),
    ({"diff": some(6, 8)}, r"is of shape \[6, 8\] for"),
    ({"diff": some(8, 6), "lora_up.weight": some(8, 3), "lora_down.weight": some(3, 6)},
     "is a LoRA and a whole change at once"),
    ({"lora_down.weight": some(3, 6) / 0, "lora_up.weight": some(8, 3)}, "not finite"),
    ({"lora_down.weight": some(3, 6), "lora_up.weight": some(8, 3), "dora_scale": some(5)},
     r"has magnitudes of shape \[5\]; allowed for its weight: \[1, 6\] or \[8\] or \[8, 1\]"),
    ({"lora_A.weight": some(3, 6), "lora_B.weight": some(8, 3), "lora_magnitude_vector": some(1, 6)},
     r"has magnitudes of shape \[1, 6\]; allowed for its weight: \[8\] or \[8, 1\]"),
    ({"lora_down.weight": some(3, 6), "lora_up.weight": some(8, 3), "dora_scale": some(8, 1) * float("nan")},
     "not finite"),
])  # fmt: skip
def test_what_does_not_fit_is_said(tensors: dict[str, Tensor], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        patch(tensors, LINEAR.weight)


def peak() -> int:
    """The most bytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("tensors", [
    {"lora_down.weight": some(1, 20_000), "lora_up.weight": some(20_000, 1)},
    {"lora_down.weight": some(1, 20_000), "lora_mid.weight": some(1, 1, 3, 3),
     "lora_up.weight": some(20_000, 1)},
    {f"hada_w{k}_{s}": some(20_000, 1) if s == "a" else some(1, 20_000) for k in (1, 2) for s in "ab"},
    {f"hada_w{k}_{s}": some(1, 20_000) for k in (1, 2) for s in "ab"}
    | {"hada_t1": some(1, 1, 3, 3), "hada_t2": some(1, 1, 3, 3)},
    {f"lokr_w{k}_{s}": some(141, 1) if s == "a" else some(1, 141) for k in (1, 2) for s in "ab"},
    {"lokr_w1": some(1, 1), "lokr_w2_a": some(1, 20_000), "lokr_w2_b": some(1, 20_000),
     "lokr_t2": some(1, 1, 3, 3)},
], ids=["lora", "locon", "loha", "loha with cores", "lokr", "lokr with a core"])  # fmt: skip
@pytest.mark.parametrize("module", [LINEAR, CONV], ids=["linear", "conv"])
def test_what_would_be_huge_is_refused_before_it_is_made(
    tensors: dict[str, Tensor], module: nn.Linear | nn.Conv2d
) -> None:
    """20,000 x 20,000 are 1.6 GB."""
    before, started = peak(), time.monotonic()
    with pytest.raises(ValueError, match="is of shape"):
        patch(tensors, module.weight)
    assert time.monotonic() - started < 0.5 and peak() - before < 100e6


def test_factors_may_be_so_much_larger_than_the_weight() -> None:
    weight = torch.zeros(512, 512)
    with pytest.raises(
        ValueError, match="is of rank 2049, whose factors have 2098176 numbers; allowed here: 2"
    ):
        patch({"lora_down.weight": some(2049, 512), "lora_up.weight": some(512, 2049)}, weight)
    assert patch({"lora_down.weight": some(512, 512), "lora_up.weight": some(512, 512)}, weight)
    core = {"lora_down.weight": some(128, 4), "lora_up.weight": some(16, 128)}
    conv = torch.zeros(16, 4, 3, 3)  # a small one, whose core has the rank of all the others
    assert patch(core | {"lora_mid.weight": some(128, 128, 3, 3)}, conv).up.shape == conv.shape


def test_tensors_with_cores_and_matrices_of_convolutions() -> None:
    """As LyCORIS makes them: (r, out) and (r, in) with a core; matrices (out, in * 3 * 3) without one."""
    a, b, core = some(2, 8), some(2, 6, seed=1), some(2, 2, 3, 3, seed=2)
    half = torch.einsum("ijkl,jr,ip->prkl", core, b, a)
    loha = {f"hada_w{k}_{s}": t for k in (1, 2) for s, t in (("a", a), ("b", b))}
    close(patch(loha | {"hada_t1": core, "hada_t2": core}, CONV.weight).whole, half * half)
    close(patch({"lokr_w1": torch.ones(1, 1), "lokr_w2_a": a, "lokr_w2_b": b, "lokr_t2": core},
                CONV.weight).whole, half)  # fmt: skip
    first, a, b = some(2, 3), some(4, 2, seed=1), some(2, 18, seed=2)
    made = patch({"lokr_w1": first, "lokr_w2_a": a, "lokr_w2_b": b}, CONV.weight).whole
    close(made, torch.kron(first[:, :, None, None], (a @ b).view(4, 2, 3, 3)))
