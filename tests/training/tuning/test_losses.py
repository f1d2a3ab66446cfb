"""The losses against their formulas, on numbers; and weights that are kept in few bits."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models import load
from models.parametrisation import Parametrisation, Prediction
from schedulers.level import Level, Table
from tests.training.tuning.driven import begun
from training.data.pairs import read_pairs
from training.tuning import TuningConfig
from training.tuning.denoising import Denoising, target, weights
from training.tuning.dpo import preference_loss
from training.tuning.dreambooth import Preserving
from training.tuning.quantised import BLOCK, Packed, bytes_of, pack4, pack8, quantise, unpack4, unpack8

VP = tuple(Level(math.sqrt(1 - s * s), s) for s in (0.1, 0.4, 0.8, 0.95, 1.0))
FLOW = tuple(Level(1 - s, s) for s in (0.1, 0.4, 0.8, 0.95))
PREDICTIONS: tuple[Prediction, ...] = ("epsilon", "v_prediction", "sample", "flow")


class Answering(nn.Module):
    """A U-Net that answers ``answer``, whatever it is asked."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor, t: Tensor, encoder_hidden_states: Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=self.answer)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_exact_answer_has_no_loss_and_an_error_of_x0_counts_by_min_snr(prediction: Prediction) -> None:
    levels = FLOW if prediction == "flow" else VP[:4]
    parametrisation = Parametrisation(prediction, Table(levels, "flow" if prediction == "flow" else "vp"))
    torch.manual_seed(0)
    x0, noise, t = torch.randn(4, 2, 3, 3), torch.randn(4, 2, 3, 3), torch.arange(4)
    alpha, sigma = (torch.tensor(v).view(4, 1, 1, 1) for v in zip(*levels, strict=True))
    x = alpha * x0 + sigma * noise
    exact = target(prediction, x0, noise, alpha, sigma)
    assert torch.allclose(parametrisation.x0(exact, x, levels), x0, atol=1e-5)
    wrong = exact + 0.1 * torch.randn_like(exact)
    context = torch.zeros(4, 1, 1)
    right, far = (
        Denoising(Answering(answer), parametrisation, 5.0).errors(x0, context, t, noise)
        for answer in (exact, wrong)
    )
    assert right.abs().max() < 1e-10
    of_x0 = (parametrisation.x0(wrong, x, levels) - x0).square().mean((1, 2, 3))
    snr = (alpha / sigma).square().flatten()
    least = snr.clamp(max=5, min=0.4 if prediction == "sample" else 0)
    assert torch.allclose(far, least * of_x0, rtol=1e-3)
    plain = Denoising(Answering(wrong), parametrisation, 0).errors(x0, context, t, noise)
    assert torch.allclose(plain, (wrong - exact).square().mean((1, 2, 3)))


def test_weights_are_finite_at_pure_noise() -> None:
    alpha, sigma = torch.tensor(VP, dtype=torch.float64).T
    for prediction in ("epsilon", "v_prediction", "sample"):
        assert weights(prediction, alpha, sigma, 5.0).isfinite().all()
    assert weights("epsilon", alpha, sigma, 5.0)[-1] == 1


def test_prior_preservation_is_the_papers() -> None:
    class Known(Denoising):
        def errors(self, x0: Tensor, context: Tensor, t: Tensor, noise: Tensor) -> Tensor:
            return (x0 - noise).flatten(1).square().mean(1)

    denoising = Known(nn.Identity(), Parametrisation("epsilon", Table(VP)), 5.0)
    torch.manual_seed(0)
    a, b = torch.randn(2, 1, 2, 2), torch.randn(2, 1, 2, 2)
    c, d = torch.randn(2, 1, 3, 3), torch.randn(2, 1, 3, 3)
    none = torch.zeros(2)
    got = Preserving(denoising, 0.7)(a, none, none, b, c, none, none, d)
    wanted = (a - b).square().mean() + 0.7 * (c - d).square().mean()
    assert torch.allclose(got["loss"], wanted)
    assert torch.allclose(got["thing"] + 0.7 * got["prior"], wanted)


def test_the_preference_loss_is_the_papers() -> None:
    w, w_ref, l, l_ref = (torch.tensor([v, 0.5]) for v in (0.2, 0.3, 0.5, 0.4))  # noqa: E741
    inside = -10 * ((0.2 - 0.3) - (0.5 - 0.4))
    wanted = (-math.log(1 / (1 + math.exp(-inside))) + math.log(2)) / 2
    assert preference_loss(w, w_ref, l, l_ref, 10.0).item() == pytest.approx(wanted)
    assert preference_loss(w, w, l, l, 1e6).item() == pytest.approx(math.log(2))


def test_preference_begins_at_log_2(settings: Callable[..., TuningConfig], tmp_path: Path) -> None:
    task, _ = begun(settings("dpo"), tmp_path)
    assert task.module(*task.batch(0, 0))["loss"].item() == pytest.approx(math.log(2), abs=1e-6)


def test_pairs_that_cannot_be_used_are_listed(pictures: Path, tmp_path: Path) -> None:
    good = (pictures / "pairs.jsonl").read_text()
    for name in ("alone/liked.png", "other.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((pictures / name).read_bytes())
    bad = ['{"prompt": "a", "chosen": "../x.png", "rejected": "other.png"}', "[", '{"prompt": "a"}',
           '{"prompt": "a", "chosen": "gone.png", "rejected": "other.png"}']  # fmt: skip
    (tmp_path / "pairs.jsonl").write_text("\n".join([good, *bad]))
    found = read_pairs(tmp_path)
    assert len(found.examples) == len(found.against) == 1 and found.examples[0].caption == "a cat"
    assert [one.file for one in found.skipped] == [f"pairs.jsonl, line {k}" for k in (2, 3, 4, 5)]
    assert "gone.png: not there" in found.skipped[3].reason


@given(st.integers(0, 99), st.tuples(st.integers(1, 9), st.integers(1, 40)))
def test_packed_weights_are_near(seed: int, shape: tuple[int, int]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    codes, scales = pack8(weight)
    rows = weight.abs().amax(1, keepdim=True)
    assert ((unpack8(codes, scales) - weight).abs() <= rows / 254 + 1e-6).all()
    codes, scales = pack4(weight)
    assert codes.numel() == -(-weight.numel() // BLOCK) * BLOCK // 2
    assert ((unpack4(codes, scales, weight.shape) - weight).abs() <= 0.16 * weight.abs().max()).all()
    again, _ = pack4(unpack4(codes, scales, weight.shape))
    assert torch.equal(again, codes)


@pytest.mark.parametrize("layer", [nn.Linear(8, 6), nn.Conv2d(8, 6, 3, 2, 1)])
@pytest.mark.parametrize("bits", [4, 8])
def test_a_packed_layer_is_the_layer_with_the_unpacked_weight(
    layer: nn.Linear | nn.Conv2d, bits: int
) -> None:
    packed = Packed(layer, bits)
    x = torch.randn(2, 8, 8, 8)
    with torch.no_grad():
        layer.weight.copy_(packed.weight())
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    one, two = layer(a), packed(b)
    assert torch.allclose(one, two, atol=1e-6)
    one.square().sum().backward()
    two.square().sum().backward()
    assert a.grad is not None and b.grad is not None and torch.allclose(a.grad, b.grad, atol=1e-4)


def test_a_packed_layer_learns_in_mixed_precision() -> None:
    packed, x = Packed(nn.Linear(8, 6), 4), torch.randn(2, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = packed(x)
    out.float().sum().backward()
    assert x.grad is not None and x.grad.dtype == torch.float32
    assert torch.allclose(x.grad, packed.weight().sum(0).expand(2, -1), atol=0.05)


def test_memory_of_the_starter_in_few_bits() -> None:
    def taken(bits: int | None) -> int:
        parts = load("starter", device="cpu", dtype=torch.float32)
        if bits:
            quantise(parts.unet.requires_grad_(False), ("down_blocks.", "mid_block.", "up_blocks."), bits)
        return bytes_of(parts.unet)

    whole = taken(None)
    assert taken(8) < 0.30 * whole and taken(4) < 0.18 * whole
