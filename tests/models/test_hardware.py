"""The number format follows what was measured, not what the processor's flags promise."""

import pytest
import torch

from models import hardware

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def forget():
    hardware._bfloat16_pays.cache_clear()
    yield
    hardware._bfloat16_pays.cache_clear()


@pytest.mark.parametrize(
    ("flags", "bfloat16", "float32", "expected"),
    [
        ({"avx512_bf16": True, "amx_bf16": True}, 1.0, 4.0, torch.bfloat16),
        ({"avx512_bf16": True, "amx_bf16": False}, 1.8, 1.0, torch.float32),
        ({"avx512_bf16": True}, 0.95, 1.0, torch.float32),  # not worth its rounding
        ({"avx512_bf16": False}, 0.1, 1.0, torch.float32),
    ],
)
def test_bfloat16_is_used_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch,
    flags: dict[str, bool],
    bfloat16: float,
    float32: float,
    expected: torch.dtype,
) -> None:
    seconds = {torch.bfloat16: bfloat16, torch.float32: float32}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)
    monkeypatch.setattr(hardware, "_product_seconds", seconds.__getitem__)
    assert hardware.best_dtype(CPU) == expected


def test_a_product_is_really_timed() -> None:
    assert 0 < hardware._product_seconds(torch.float32, 64) < hardware._product_seconds(torch.float32, 1024)


@pytest.mark.parametrize(("free", "expected"), [(14, False), (13, False), (12, True)])
def test_a_card_without_twice_the_room_for_the_weights_holds_only_what_a_step_needs(
    monkeypatch: pytest.MonkeyPatch, free: int, expected: bool
) -> None:
    """Three of what is not free are torch's own, kept for reuse."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 24))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 5)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 2)
    assert hardware.offloads(torch.device("cuda"), 8) == expected
    assert not hardware.offloads(CPU, 8)
