"""The starter's latents: linear, of unit size, and the same for an object wherever it stands on the grid."""

import numpy as np
import pytest
import torch
from torch import Tensor

from training.data.scenes import Background, Placed, Scene, render, scene_at
from training.starter.codes import CHANNELS, PIXELS, Codes, codes, to_tensor
from training.starter.vae import VaeObjective, build_vae


@pytest.fixture(scope="module")
def ours() -> Codes:
    return codes(0)


def scenes(seed: int, count: int = 40) -> Tensor:
    return to_tensor(np.stack([scene_at(k, seed)[1] for k in range(count)]))


def test_they_are_the_best_that_so_few_numbers_can_keep(ours: Codes) -> None:
    """Held-out scenes; the principal components of their own patches do not keep a quarter of a dB more."""
    pixels = scenes(7, 200)
    kept = ours.decode(ours.encode(pixels))
    error = (kept - pixels).square().mean().item()
    patches = pixels.unfold(2, PIXELS, PIXELS).unfold(3, PIXELS, PIXELS)
    rows = patches.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3 * PIXELS**2).double()
    own = (
        torch.linalg.eigvalsh(torch.cov(rows.T, correction=0)).flip(0)[CHANNELS:].sum().item() / rows.shape[1]
    )
    assert own <= error * (1 + 1e-4) <= own * 10**0.025
    assert 10 * np.log10(4 / error) > 25


def test_decoding_is_undone_by_encoding_and_both_are_affine(ours: Codes) -> None:
    wanted = torch.randn(2, CHANNELS, 3, 5, generator=torch.Generator().manual_seed(0))
    pixels = ours.decode(wanted)
    assert pixels.shape == (2, 3, 48, 80)
    torch.testing.assert_close(ours.encode(pixels), wanted, rtol=1e-4, atol=1e-4)
    mixed = ours.encode(0.3 * pixels[:1] + 0.7 * pixels[1:])
    torch.testing.assert_close(mixed, 0.3 * wanted[:1] + 0.7 * wanted[1:], rtol=1e-4, atol=1e-4)


def test_their_variance_is_one(ours: Codes) -> None:
    found = ours.encode(scenes(0, 200))
    assert found.mean().item() == pytest.approx(0, abs=0.1)
    assert found.var().item() == pytest.approx(1, abs=0.1)
    spread = found.std((0, 2, 3))
    assert spread[0] < 6 * spread[-1]  # the components themselves differ thirtyfold


def test_an_object_has_one_pattern_wherever_it_stands(ours: Codes) -> None:
    rng = np.random.default_rng(0)
    back = Background("plain", ("white",))
    here, there = (Scene((Placed(5, x, 60, 72),), back) for x in (44, 76))  # four cells apart
    a, b = (ours.encode(to_tensor(render(scene, rng)[None])) for scene in (here, there))
    torch.testing.assert_close(a[..., :6], b[..., 2:], rtol=0, atol=1e-5)


def test_the_objective_falls_for_encoder_and_decoder(ours: Codes) -> None:
    torch.manual_seed(0)
    module = VaeObjective(build_vae(), ours)
    optimiser = torch.optim.AdamW(module.parameters(), 1e-3)
    pixels = scenes(0, 2)[:, :, :64, :64]
    noise = torch.randn(2, CHANNELS, 4, 4)
    rows = []
    for _ in range(8):
        losses = module(pixels, noise)
        optimiser.zero_grad()
        losses["loss"].backward()
        optimiser.step()
        rows.append({name: value.item() for name, value in losses.items()})
    assert rows[-1]["encoder"] < 0.9 * rows[0]["encoder"] and rows[-1]["l2"] < 0.9 * rows[0]["l2"]
