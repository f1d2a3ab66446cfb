"""A folder of one's own as a data set of the lab."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from training.data.datasets import dataset
from training.run import RunConfig, running


def fill(root: Path, names: tuple[str, ...] = ("blue", "red"), count: int = 10) -> None:
    for name in names:
        (root / name).mkdir(parents=True)
        for k in range(count):
            Image.new("RGB", (40 + k, 50), name).save(root / name / f"{k}.png")


def test_each_subfolder_is_a_class_and_some_pictures_are_held_out(tmp_path: Path) -> None:
    fill(tmp_path)
    found = dataset(f"folder:{tmp_path}")
    assert found.classes == ("blue", "red")
    assert found.train.shape == (18, 3, 32, 32) and found.test.shape == (2, 3, 32, 32)
    blue = torch.tensor([0, 0, 255], dtype=torch.uint8).view(3, 1, 1)
    for picture, label in zip(found.train, found.train_labels, strict=True):
        assert (picture == blue).all() == (label == 0)
    assert dataset(f"folder:{tmp_path}").sha256 == found.sha256


def test_a_family_learns_from_it(tmp_path: Path) -> None:
    fill(tmp_path / "data")
    config = {
        "data": f"folder:{tmp_path / 'data'}",
        "family": "vae",
        "steps": 1,
        "batch": 4,
        "precision": "no",
    }
    assert [at.step for at in running(RunConfig.read(config), tmp_path / "run")] == [1]


def test_what_is_no_such_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allowed: digits, glyphs, folder:PATH"):
        dataset("mnist")
    with pytest.raises(ValueError, match="allowed: a folder of pictures"):
        dataset(f"folder:{tmp_path / 'nowhere'}")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"data: got 'a.png' in no subfolder"):
        dataset(f"folder:{tmp_path}")
