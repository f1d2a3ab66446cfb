"""Pictures that recipes need: named by what is in them, kept once, refused where they are no pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gallery import PictureError
from gallery.inputs import Inputs, sha256_of, upright


def a_picture(mode: str = "RGB", seed: int = 0) -> Image.Image:
    channels = {"RGB": 3, "RGBA": 4}[mode]
    values = np.random.default_rng(seed).integers(0, 256, (12, 20, channels), dtype=np.uint8)
    return Image.fromarray(values, mode)


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(tmp_path / "inputs")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_picture_comes_back_by_its_name(inputs: Inputs, mode: str) -> None:
    image = a_picture(mode)
    name = inputs.add(image)
    assert name == sha256_of(image) and len(name) == 64
    assert inputs[name].mode == mode and inputs[name].tobytes() == image.tobytes()


def test_the_name_is_of_the_pixels_alone(inputs: Inputs, tmp_path: Path) -> None:
    image = a_picture()
    info = PngInfo()
    info.add_text("parameters", "a cat")
    image.save(tmp_path / "one.png", pnginfo=info)
    image.save(tmp_path / "two.webp", lossless=True)
    assert inputs.add(tmp_path / "one.png") == inputs.add(tmp_path / "two.webp") == inputs.add(image)
    assert len(inputs) == 1 and not inputs[sha256_of(image)].info
    assert sha256_of(a_picture(seed=1)) not in inputs
    assert sha256_of(image.rotate(180)) != sha256_of(image) != sha256_of(image.resize((12, 20)))


def test_photographs_are_turned_as_they_were_held(inputs: Inputs, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned to the right
    a_picture().save(tmp_path / "photo.jpg", exif=exif)
    assert inputs[inputs.add(tmp_path / "photo.jpg")].size == (12, 20)


def test_depth_of_16_bits_keeps_its_shades(tmp_path: Path) -> None:
    depth = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    Image.fromarray(depth).save(tmp_path / "depth.png")
    with Image.open(tmp_path / "depth.png") as image:
        assert np.array_equal(np.asarray(upright(image))[..., 0].reshape(-1), np.arange(256))


def test_a_kept_picture_may_be_heavier_than_an_upload(inputs: Inputs) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2700, 2700, 3), dtype=np.uint8)  # does not compress
    name = inputs.add(Image.fromarray(noise))
    assert inputs[name].size == (2700, 2700)


def test_what_is_no_picture_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "page.png").write_text("<svg onload=alert(1)>")
    with pytest.raises(PictureError, match="^Picture: not a PNG"):
        inputs.add(tmp_path / "page.png")
    with pytest.raises(PictureError, match="5000 x 4000 pixels; at most 16.8 megapixels"):
        inputs.add(Image.new("RGB", (5000, 4000)))
    assert len(inputs) == 0


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 64, "A" * 64, "0" * 63])
def test_names_are_no_paths(inputs: Inputs, name: str) -> None:
    with pytest.raises(KeyError):
        inputs[name]


def test_a_file_that_was_changed_is_not_taken_for_the_picture(inputs: Inputs, tmp_path: Path) -> None:
    name = inputs.add(a_picture())
    [file] = (tmp_path / "inputs").rglob("*.png")
    a_picture(seed=1).save(file)
    with pytest.raises(PictureError, match="was changed"):
        inputs[name]
