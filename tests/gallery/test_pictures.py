"""What is opened, what is refused, and that a refusal is always the one error with a plain message."""

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gallery.pictures import MAX_BYTES, PictureError, open_picture


def header_only_png(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels: enough for anything that trusts the header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_three_formats_open(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "picture.bin"  # decided by content, not by suffix
    Image.new("RGB", (24, 16), "teal").save(file, format=kind)
    assert open_picture(file).size == (24, 16)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(30_000, 30_000), (13_000, 13_000), (5_000, 4_000)])
def test_too_many_pixels_are_refused_before_decoding(tmp_path: Path, size: tuple[int, int]) -> None:
    file = tmp_path / "bomb.png"
    file.write_bytes(header_only_png(*size))
    with pytest.raises(PictureError, match=r"at most 16\.8 megapixels"):
        open_picture(file)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_real_13000_pixel_square_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bomb.png"
    Image.new("1", (13_000, 13_000)).save(file)
    with pytest.raises(PictureError, match="13000 x 13000"):
        open_picture(file)


def test_a_heavy_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "heavy.png"
    with file.open("wb") as handle:
        handle.truncate(MAX_BYTES + 1)
    with pytest.raises(PictureError, match="at most 20 MB"):
        open_picture(file)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_formats_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "picture.png"
    Image.new("RGB", (16, 16)).save(file, format=kind)
    with pytest.raises(PictureError, match="not a PNG, JPEG or WebP"):
        open_picture(file)


def test_text_is_not_a_picture(tmp_path: Path) -> None:
    file = tmp_path / "notes.png"
    file.write_text("three red apples")
    with pytest.raises(PictureError, match="not a PNG, JPEG or WebP"):
        open_picture(file)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no longer there"):
        open_picture(tmp_path / "gone.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_damaged_bytes_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    file = folder / f"mutant-{kind}"
    Image.linear_gradient("L").resize((40, 40)).convert("RGB").save(file, format=kind)
    raw = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(raw[: data.draw(st.integers(1, len(raw)))])
    try:
        open_picture(file)
    except PictureError as error:
        assert str(error).startswith("Picture: ")
