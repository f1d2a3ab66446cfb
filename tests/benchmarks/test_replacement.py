"""The measuring of replaced objects: what is asked for can be judged, and what is counted is what is said."""

import numpy as np
from PIL import Image

from benchmarks.replacement import Case, draw, replaced, replacements, unchanged
from models import Parts
from training.starter.judge import Seen


def test_the_cases_are_200_scenes_with_another_object_in_each() -> None:
    wanted, tuned = replacements(), replacements(tuning=True)
    assert len(wanted) == 200 and len({case.prompt for case in (*wanted, *tuned)}) > 320
    for case in wanted[::20]:
        left, top, right, bottom = case.box
        pixels = np.asarray(case.picture).astype(int)
        assert case.picture.size == (128, 128) and (right - left) * (bottom - top) < 128 * 128 / 2
        assert np.abs(pixels[top:bottom, left:right] - pixels[0, 0]).max() > 75  # something stands there


def test_what_counts_is_what_stands_in_the_mask() -> None:
    case = Case(Image.new("RGB", (128, 128)), (0, 0, 64, 64), 5, "x")
    assert replaced(case, [Seen(7, 100, 100, 9.0), Seen(5, 30, 30, 3.0), Seen(7, 30, 30, 2.0)])
    assert not replaced(case, [Seen(7, 30, 30, 3.0), Seen(5, 30, 30, 2.0)]) and not replaced(case, [])
    made = np.zeros((128, 128, 3), np.uint8)
    made[:72, :72] = 9
    assert unchanged(case, Image.fromarray(made), 8) and not unchanged(case, Image.fromarray(made), 7)


def test_they_are_drawn_by_the_studios_engine(tiny: Parts) -> None:
    wanted = replacements()[:2]
    made = draw(tiny, wanted, {"strength": 1.0, "feather": 2}, steps=2, width=64, height=64)
    for case, one in zip(wanted, made, strict=True):
        assert unchanged(case, one, 2) and one.tobytes() != case.picture.tobytes()
