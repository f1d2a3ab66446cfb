"""The sheet of a grid: every picture at its place, labels beside, and a bound on its size."""

import numpy as np
from PIL import Image

from gallery.sheet import LARGEST, sheet

COLOURS = {(0, 0, 0): (255, 0, 0), (1, 0, 0): (0, 255, 0), (0, 1, 0): (0, 0, 255), (1, 1, 0): (255, 0, 255)}


def count(made: Image.Image, colour: tuple[int, int, int]) -> tuple[int, tuple[int, int]]:
    """How many pixels have the colour, and the first of them (row, column)."""
    found = np.argwhere((np.asarray(made) == colour).all(2))
    return len(found), (int(found[0][0]), int(found[0][1]))


def test_every_picture_is_at_its_place() -> None:
    pictures = {place: Image.new("RGB", (64, 48), colour) for place, colour in COLOURS.items()}
    made = sheet(pictures, ["Steps", "Sampler"], [["4", "8"], ["Euler", "Heun"]])
    places = {place: count(made, colour) for place, colour in COLOURS.items()}
    assert all(many == 64 * 48 for many, _ in places.values())
    at = {place: corner for place, (_, corner) in places.items()}
    assert at[0, 0, 0][0] == at[1, 0, 0][0] < at[0, 1, 0][0] == at[1, 1, 0][0]
    assert at[0, 0, 0][1] == at[0, 1, 0][1] < at[1, 0, 0][1] == at[1, 1, 0][1]
    beside = np.asarray(made)[:, : at[0, 0, 0][1] - 8]
    assert (beside < 100).any(), "rows have labels"
    assert (np.asarray(made)[: at[0, 0, 0][0] - 4] < 100).any(), "columns have labels"


def test_planes_stand_below_each_other_and_what_is_missing_is_empty() -> None:
    pictures = {(0, 0, z): Image.new("RGB", (32, 32), (z, 0, 255)) for z in (0, 2)}
    made = sheet(pictures, ["Steps", "Sampler", "Seed"], [["4"], ["Euler"], ["1", "2", "3"]])
    assert count(made, (0, 0, 255))[1][0] < count(made, (2, 0, 255))[1][0]
    assert not (np.asarray(made) == (1, 0, 255)).all(2).any()


def test_a_sheet_is_never_too_large_to_open() -> None:
    pictures = {(x, 0, 0): Image.new("RGB", (1024, 1024), (0, 200, x)) for x in range(20)}
    made = sheet(pictures, ["Seed"], [[str(x) for x in range(20)]])
    assert max(made.size) <= LARGEST and all(count(made, (0, 200, x))[0] > 300**2 for x in range(20))
