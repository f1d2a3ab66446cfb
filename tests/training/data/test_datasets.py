"""What is learnt from: the same pictures every time, split once, with labels that say what they show."""

import numpy as np
import pytest
import torch

from training.data.datasets import DATASETS
from training.data.glyph_pictures import BACKGROUNDS, KINDS, glyph_picture, glyph_pictures, grounds
from training.data.pictures import Pictures
from training.data.vocabulary import COLOURS


@pytest.fixture(scope="module")
def digits() -> Pictures:
    return DATASETS["digits"]()


def test_digits_are_all_there_and_always_the_same(digits: Pictures) -> None:
    assert digits.train.shape == (1437, 1, 8, 8) and digits.test.shape == (360, 1, 8, 8)
    assert digits.train.dtype == torch.uint8 and digits.train.max() == 255
    assert len(digits.classes) == 10 and set(digits.test_labels.tolist()) == set(range(10))
    assert digits.sha256 == "2fdcd1b472fe84d0b1a753b12d6cc05ea642f636c4ff56d5cedeb6ff2763d24b"
    assert DATASETS["digits"]().sha256 == digits.sha256


def test_no_digit_that_is_held_out_was_learnt_from_more_often_than_the_data_repeat(digits: Pictures) -> None:
    seen = {picture.numpy().tobytes() for picture in digits.train}
    assert not [p for p in digits.test if p.numpy().tobytes() in seen]


def test_glyphs_follow_from_their_seed() -> None:
    few, again, other = (glyph_pictures(30, 10, seed) for seed in (0, 0, 1))
    assert few.train.shape == (30, 3, 32, 32) and few.test.shape == (10, 3, 32, 32)
    assert few.sha256 == again.sha256 != other.sha256
    assert torch.equal(glyph_pictures(40, 0).train[30:], few.test)


def test_a_glyphs_background_is_known() -> None:
    found = grounds(40)
    assert set(found.tolist()) == set(range(len(BACKGROUNDS)))
    for index, ground in enumerate(found.tolist()):
        picture, kind, same = glyph_picture(index, 0)
        assert ground == same and 0 <= kind < len(KINDS)
        colour = np.array(COLOURS[BACKGROUNDS[ground]])
        assert (picture == colour).all(2).mean() > 0.15
