"""Tiles are one drawing: their borders are no other than the rest of the picture, in numbers."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from torch import Tensor

from gallery import sha256_of
from models import Parts
from pipelines import Recipe, RecipeError, draw
from pipelines import tiles as module
from pipelines.edit import Edit, Hires, Tiles
from pipelines.requests import Decode, Denoise, EncodeImage
from pipelines.tiles import Grid, in_tiles
from schedulers import SAMPLERS

SMALL = Tiles(side=64, overlap=32)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(4, 24), st.data())
def test_tiles_cover_everything_and_what_agrees_comes_back(
    height: int, width: int, side: int, data: st.DataObject
) -> None:
    grid = Grid((height, width), side, data.draw(st.integers(1, side // 2)))
    whole = torch.randn(2, 3, height, width)
    tiles = [whole[:, :, rows, columns] for rows, columns in grid.boxes]
    assert {tile.shape for tile in tiles} == {(2, 3, min(side, height), min(side, width))}
    assert torch.allclose(grid.joined(tiles), whole, atol=1e-5)
    if height > side:
        rows = sorted({box[0].start for box in grid.boxes})
        assert all(
            after - before <= side - grid.overlap for before, after in zip(rows, rows[1:], strict=False)
        )


def test_a_picture_of_one_tile_is_the_same_without(tiny: Parts) -> None:
    recipe = Recipe(prompt="a cat", steps=3, width=64, height=64)
    assert (
        draw(recipe, tiny)[0].tobytes() == draw(recipe.model_copy(update={"tiles": SMALL}), tiny)[0].tobytes()
    )


def asked(told: Any, answer: Any) -> list[Any]:
    requests, reply = [], None
    while True:
        try:
            requests.append(told.send(reply))
        except StopIteration:
            return requests
        reply = answer(requests[-1])


def test_everything_is_asked_in_tiles(tiny: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exact answer for each tile is an exact answer for the whole."""
    monkeypatch.setattr(module, "VAE_SIDE", 64)
    x, context = torch.randn(1, 4, 18, 12), tiny.encode_text(["a cat"])
    beside = torch.randn(1, 5, 18, 12)

    def told() -> Any:
        (x0,) = yield (Denoise(x, tiny.levels[9], context, beside=beside),)
        assert torch.allclose(x0, x * 2 + beside[:, 1:], atol=1e-5)
        pixels = yield Decode(x0)
        assert torch.allclose(pixels, shown(x0), atol=1e-5)
        latents = yield EncodeImage(pixels)
        assert torch.allclose(latents, x0[:, :3], atol=1e-5)
        return pixels

    def shown(latents: Tensor) -> Tensor:
        return latents[:, :3].repeat_interleave(8, 2).repeat_interleave(8, 3)

    def answer(request: Any) -> Any:
        match request:
            case Decode(latents):
                return shown(latents)
            case EncodeImage(pixels):
                return pixels[:, :, ::8, ::8]
            case _:
                return tuple(ask.x * 2 + ask.beside[:, 1:] for ask in request)

    requests = asked(in_tiles(told(), SMALL, 8), answer)
    assert len(requests[0]) == 4 * 2 and all(ask.x.shape == (1, 4, 8, 8) for ask in requests[0])
    assert [type(request) for request in requests[1:]] == [Decode] * 8 + [EncodeImage] * 8


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_draws_in_tiles(sampler: str, tiny: Parts) -> None:
    recipe = Recipe(sampler=sampler, steps=2, width=96, height=64, tiles=SMALL)
    assert draw(recipe, tiny)[0].size == (96, 64)


def a_texture(side: int, seed: int = 0) -> Image.Image:
    """As smooth or rough in one place as in another, so that what differs is the tiles' doing."""
    values = np.random.default_rng(seed).normal(size=(side, side, 3))
    smooth = ndimage.gaussian_filter(values, (3, 3, 0), mode="wrap")
    return Image.fromarray((128 + 40 * smooth / smooth.std()).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("vae_side", [64, 1024])
def test_borders_of_tiles_are_like_the_rest(
    vae_side: int, tiny: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean gradient across the borders of tiles, of U-Net and VAE, against that elsewhere: within 5 %.

    Between latents only, as those have a border of their own everywhere, and away from the picture's edges.
    """
    monkeypatch.setattr(module, "VAE_SIDE", vae_side)
    for ratio in ratios(tiny, Tiles(side=64, overlap=16), 256, 6):
        print(f"VAE in tiles of {vae_side}: {ratio:.3f}")
        assert abs(ratio - 1) < 0.05


def ratios(parts: Parts, tiles: Tiles, length: int, count: int) -> list[float]:
    """Mean gradient across the borders of tiles over that elsewhere, across and down, of ``count`` pictures
    drawn over a texture."""
    texture = a_texture(length)
    recipe = Recipe(
        prompt="a cat", steps=7, width=length, height=length, count=count, tiles=tiles,
        edit=Edit(picture=sha256_of(texture), strength=0.3),
    )  # fmt: skip
    drawn = draw(recipe, parts, pictures={sha256_of(texture): texture})
    made = np.stack([np.asarray(image, np.float64) for image in drawn])
    grid = Grid((length // 8, length // 8), tiles.side // 8, tiles.overlap // 8)
    borders = {8 * end for _, span in grid.boxes for end in (span.start, span.stop)}
    places = np.arange(64, length - 63, 8)  # in the middle, from one latent to the next
    at = np.isin(places, sorted(borders))
    assert at.sum() >= 4 and (~at).sum() >= 4
    found = []
    for values in (made, made.swapaxes(1, 2)):
        gradients = np.abs(values[:, :, places] - values[:, :, places - 1]).mean((0, 1, 3))
        found.append(float(gradients[at].mean() / gradients[~at].mean()))
    return found


def test_tiles_go_with_the_second_pass_and_with_the_models_sizes(tiny: Parts) -> None:
    recipe = Recipe(steps=2, width=64, height=64, hires=Hires(scale=2.0, strength=0.5), tiles=SMALL)
    assert draw(recipe, tiny)[0].size == (128, 128)
    with pytest.raises(RecipeError, match="^Tiles, Tile side: got 60"):
        Recipe.read({"tiles": {"side": 60}})
