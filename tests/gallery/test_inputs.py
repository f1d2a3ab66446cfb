"""Pictures that recipes need: named by what is in them, kept once, refused where they are no pictures."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from gallery import PictureError
from gallery.inputs import Inputs, conversions, sha256_of, upright
from gallery.pictures import depth_of, open_picture


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


def test_what_is_transparent_in_16_bits_stays_so(tmp_path: Path) -> None:
    values = np.array([[0, 300, 301, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png", transparency=300)
    made = upright(open_picture(tmp_path / "deep.png"))
    assert made.mode == "RGBA" and list(made.getchannel("A").tobytes()) == [255, 0, 255, 255]
    assert list(made.getchannel("R").tobytes()) == [0, 1, 1, 255]


def linear_profile(called: bytes = b"linear", space: bytes = b"RGB ") -> bytes:
    """sRGB's colours without its gamma, or grey without one: the least that an ICC profile of version 2 may
    be."""

    def number(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def colour(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(number, values))

    straight = b"curv" + bytes(4) + struct.pack(">IH", 1, 256) + bytes(2)
    name = b"desc" + bytes(4) + struct.pack(">I", len(called) + 1) + called + bytes(80)
    tags = {
        b"desc": name, b"cprt": b"text" + bytes(8), b"wtpt": colour(0.9642, 1, 0.8249),
        b"kTRC": straight, b"rXYZ": colour(0.4360, 0.2225, 0.0139), b"gXYZ": colour(0.3851, 0.7169, 0.0971),
        b"bXYZ": colour(0.1431, 0.0606, 0.7139), b"rTRC": straight, b"gTRC": straight, b"bTRC": straight,
    }  # fmt: skip
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        table += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = bytearray(128)
    head[:4], head[8:12] = struct.pack(">I", 128 + len(table) + len(body)), b"\2\x10\0\0"
    head[12:24], head[36:40] = b"mntr" + space + b"XYZ ", b"acsp"
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


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_a_profile_for_grey_is_followed_by_whatever_is_grey(
    inputs: Inputs, tmp_path: Path, mode: str
) -> None:
    grey = Image.new("LA", (4, 4), (55, 9)).convert("RGBA" if mode == "RGBA" else "LA")
    grey.convert(mode).save(tmp_path / "grey.png", icc_profile=linear_profile(space=b"GRAY"))
    alpha = (9,) if mode.endswith("A") else ()
    assert inputs[inputs.add(tmp_path / "grey.png")].getpixel((1, 1)) == (128, 128, 128, *alpha)


def test_grey_pixels_follow_a_profile_for_colours(inputs: Inputs, tmp_path: Path) -> None:
    Image.new("L", (4, 4), 55).save(tmp_path / "grey.png", icc_profile=linear_profile())
    assert inputs[inputs.add(tmp_path / "grey.png")].getpixel((1, 1)) == (128, 128, 128)


def test_a_profile_for_other_pixels_is_refused_for_that_reason(inputs: Inputs, tmp_path: Path) -> None:
    file = tmp_path / "red.png"
    Image.new("RGB", (4, 4), "red").save(file, icc_profile=linear_profile(space=b"GRAY"))
    with pytest.raises(PictureError, match="profile is one for GRAY, and its pixels are RGB; a profile"):
        inputs.add(file)
    assert len(inputs) == 0


def deep_png(clear: bytes) -> bytes:
    """2 x 1 pixels of 16 bits a channel, of which those in the colour ``clear`` are transparent."""
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0), b"tRNS": clear,
        b"IDAT": zlib.compress(bytes(1) + clear + bytes(6)), b"IEND": b"",
    }  # fmt: skip
    made = b"\x89PNG\r\n\x1a\n"
    for name, data in parts.items():
        made += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return made


def test_what_is_changed_is_said(tmp_path: Path) -> None:
    file = tmp_path / "given.png"

    def said() -> tuple[str, ...]:
        return conversions(open_picture(file), depth_of(file))

    a_picture("RGBA").save(file)
    assert said() == ()
    a_picture().save(file, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    assert said() == ()
    exif = Image.Exif()
    exif[0x0112] = 6
    a_picture().save(file, exif=exif, icc_profile=linear_profile(b"Wide <b>"))
    turned, colours = said()
    assert "turned" in turned and "orientation is 6" in turned and "'Wide <b>' into sRGB" in colours
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(file)
    [depth] = said()
    assert "16 bits a channel became 8" in depth
    file.write_bytes(deep_png(b"\1\54" * 3))
    depth, clear = said()
    assert "16 bits a channel became 8" in depth and "transparent colour has 16 bits" in clear
    Image.new("CMYK", (4, 4)).save(tmp_path / "print.jpg")
    [colours] = conversions(open_picture(tmp_path / "print.jpg"), depth_of(tmp_path / "print.jpg"))
    assert "CMYK became RGB" in colours


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
