"""Pictures that recipes need: named by what is in them, kept once, refused where they are no pictures."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
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


def linear_profile(called: bytes = b"linear") -> bytes:
    """sRGB's colours without its gamma: the least that an ICC profile of version 2 may be."""

    def number(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def colour(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(number, values))

    straight = b"curv" + bytes(4) + struct.pack(">IH", 1, 256) + bytes(2)
    name = b"desc" + bytes(4) + struct.pack(">I", len(called) + 1) + called + bytes(80)
    tags = {
        b"desc": name, b"cprt": b"text" + bytes(8), b"wtpt": colour(0.9642, 1, 0.8249),
        b"rXYZ": colour(0.4360, 0.2225, 0.0139), b"gXYZ": colour(0.3851, 0.7169, 0.0971),
        b"bXYZ": colour(0.1431, 0.0606, 0.7139), b"rTRC": straight, b"gTRC": straight, b"bTRC": straight,
    }  # fmt: skip
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        table += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = bytearray(128)
    head[:4], head[8:12] = struct.pack(">I", 128 + len(table) + len(body)), b"\2\x10\0\0"
    head[12:24], head[36:40] = b"mntrRGB XYZ ", b"acsp"
    head[68:80] = number(0.9642) + number(1) + number(0.8249)
    return bytes(head) + table + body


def test_colours_are_those_that_the_profile_says(inputs: Inputs, tmp_path: Path) -> None:
    dark, file = Image.new("RGBA", (4, 4), (55, 55, 0, 9)), tmp_path / "linear.png"
    dark.save(file, icc_profile=linear_profile())
    kept = inputs[inputs.add(file)]
    assert kept.getpixel((1, 1)) == (128, 128, 0, 9)  # 1.055 (55 / 255) ** (1 / 2.4) - 0.055
    assert not kept.info
    dark.save(file, icc_profile=linear_profile(b"Linear sRGB"))  # that name decides nothing
    assert inputs[inputs.add(file)].getpixel((1, 1)) == (128, 128, 0, 9)
    dark.save(file, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    assert inputs[inputs.add(file)].tobytes() == dark.tobytes()


def test_a_profile_that_cannot_be_read_is_no_guess(inputs: Inputs, tmp_path: Path) -> None:
    for profile in (b"nonsense", linear_profile()[:200]):
        Image.new("RGB", (4, 4)).save(tmp_path / "bad.png", icc_profile=profile)
        with pytest.raises(PictureError, match="colour profile cannot be read; sRGB, or none, is allowed"):
            inputs.add(tmp_path / "bad.png")
    assert len(inputs) == 0


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
