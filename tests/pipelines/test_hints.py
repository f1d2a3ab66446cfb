"""A ControlNet's picture gets the drawing's size, and is followed in its share of the steps."""

import numpy as np
import pytest
import torch
from PIL import Image

from models import Parts
from pipelines import Control
from pipelines.hints import pixels, sized
from pipelines.staged import Steps
from schedulers import SAMPLERS, Level, SeededNoise


def striped(width: int, height: int) -> Image.Image:
    """Red on the left, blue on the right, with a green border of two pixels."""
    picture = Image.new("RGB", (width, height), (0, 128, 0))
    picture.paste((255, 0, 0), (2, 2, width // 2, height - 2))
    picture.paste((0, 0, 255), (width // 2, 2, width - 2, height - 2))
    return picture


@pytest.mark.parametrize("resize", ["stretch", "crop", "fit"])
@pytest.mark.parametrize("size", [(40, 40), (120, 40), (40, 120)])
def test_every_picture_gets_the_size(resize: str, size: tuple[int, int]) -> None:
    assert sized(striped(*size), 64, 48, resize).size == (64, 48)


def test_crop_keeps_the_middle_fit_keeps_all() -> None:
    wide = striped(200, 50)
    cropped = np.asarray(sized(wide, 64, 64, "crop"))
    assert not (cropped[32, :, 1] > 64).any()  # the green border left and right is gone
    fitted = np.asarray(sized(wide, 64, 64, "fit"))
    assert tuple(fitted[2, 32]) == tuple(fitted[-3, 32]) == (0, 128, 0)  # filled with the border's colour
    assert fitted[32, 10, 0] > 200 and fitted[32, 54, 2] > 200
    stretched = np.asarray(sized(wide, 64, 64, "stretch"))
    assert stretched[32, 10, 0] > 200 and stretched[32, 54, 2] > 200


def test_what_is_transparent_is_black() -> None:
    picture = Image.new("RGBA", (16, 16), (255, 255, 255, 0))
    assert np.asarray(sized(picture, 64, 64, "fit")).max() == 0


def test_pixels_are_between_0_and_1() -> None:
    values = pixels(Image.new("RGB", (8, 16), (255, 0, 51)))
    assert values.shape == (3, 16, 8) and values[:, 0, 0].tolist() == pytest.approx([1, 0, 0.2])


@pytest.mark.parametrize(
    ("start", "end", "of", "inside"),
    [
        (0, 1, 4, (1, 4)),
        (0.5, 1, 4, (3, 4)),
        (0, 0.5, 4, (1, 2)),
        (0.2, 0.7, 6, (3, 4)),
        (0.4, 0.5, 4, (1, 0)),
    ],
)
def test_the_steps_of_a_share(start: float, end: float, of: int, inside: tuple[int, int]) -> None:
    assert Control(net="x", picture="0" * 64, start=start, end=end).steps(of) == inside


@pytest.mark.parametrize("name", ["euler", "heun", "dpmpp-2s-a", "restart"])
def test_every_ask_of_a_step_is_in_it(tiny: Parts, name: str) -> None:
    """Samplers that ask several times in a step follow for the whole of it."""
    sampler = SAMPLERS[name]
    levels = [tiny.levels[k] for k in (999, 800, 600, 400, 200)] + [Level(1.0, 0.0)]
    steps = Steps(sampler, levels)
    sampling = sampler(torch.zeros(1, 4, 2, 2), levels, SeededNoise((0,), (4, 2, 2)))
    reply, inside = None, []
    while True:
        try:
            ask = sampling.send(reply)  # type: ignore[arg-type]
        except StopIteration:
            break
        asked = len(inside)
        inside.append((steps.within(1, 2, asked, ask.level), steps.within(3, 5, asked, ask.level)))
        reply = torch.zeros_like(ask.x)
    assert all(first != second for first, second in inside)  # in one of the two, never in both
    assert inside[0][0] and inside[-1][1] and inside == sorted(inside, reverse=True)
