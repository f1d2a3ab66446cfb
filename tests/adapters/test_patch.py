"""Every format's change is what its definition says, and PEFT's where PEFT has it."""

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
    ({"lora_down.weight": some(3, 6)}, "no format that is known"),
    ({"lora_down.weight": some(3, 6) / 0, "lora_up.weight": some(8, 3)}, "not finite"),
    ({"lora_down.weight": some(3, 6), "lora_up.weight": some(8, 3), "dora_scale": some(5)}, "5 magnitudes"),
])  # fmt: skip
def test_what_does_not_fit_is_said(tensors: dict[str, Tensor], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        patch(tensors, LINEAR.weight)
