"""The pictures that recipes are made with (control, init, mask), each once. Knows no recipes.

A picture is named by the SHA-256 of its pixels: whoever has both can check one against the other, and the
same picture given twice is one file, whatever wrote it.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps

from gallery import files
from gallery.pictures import MAX_PIXELS, PictureError, open_picture

ORIENTATION = 0x0112  # a tag of EXIF: 1 is upright, 2 to 8 are turned or mirrored
UNREADABLE = "Picture: its colour profile cannot be read; sRGB, or none, is allowed."
_NAME = re.compile(r"[0-9a-f]{64}")


def upright(image: Image.Image) -> Image.Image:
    """As recipes mean ``image``: turned as its EXIF says, 8 bits, sRGB, or RGBA where it has transparency.

    Raises ``PictureError`` for a colour profile that cannot be read or is not for such pixels.
    """
    turned = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I"):  # 16 bits, as depth maps have them; Pillow would cut them off at 255
        turned = _of_8_bits(turned)
    plain = _in_srgb(turned, image.info.get("icc_profile"))
    plain.info.clear()  # of texts, profiles and places
    return plain


def conversions(image: Image.Image, depth: int) -> tuple[str, ...]:
    """What ``upright`` changes of an opened picture of ``depth`` bits (``gallery.pictures.depth_of``), a
    sentence each. Raises ``PictureError`` as it does."""
    told = []
    turn = image.getexif().get(ORIENTATION, 1)
    if turn in range(2, 9):
        told.append(f"The picture was turned as it was held: its EXIF orientation is {turn}.")
    if depth == 16:
        told.append("The picture's 16 bits a channel became 8: the lower byte of each value was dropped.")
        if image.mode == "RGB" and "transparency" in image.info:  # Pillow holds 16 against 8
            told.append("Its transparent colour has 16 bits, too: what is transparent may not be what was.")
    if (found := _profile(image.info.get("icc_profile"))) is not None:
        told.append(f"The picture's colours were brought from {found.name[:60]!r} into sRGB or its nearest.")
    elif image.mode == "CMYK":
        told.append("The picture's CMYK became RGB, roughly: it has no colour profile.")
    return tuple(told)


def _of_8_bits(image: Image.Image) -> Image.Image:
    """L, or LA where one of the values means transparent."""
    values, clear = np.asarray(image), image.info.get("transparency")
    grey = Image.fromarray((values >> 8).clip(0, 255).astype(np.uint8))
    if clear is None:
        return grey
    return Image.merge("LA", (grey, Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8))))


class _Profile(NamedTuple):
    """``space`` is ICC's name of what its pictures' values are: RGB, GRAY, CMYK and others."""

    name: str
    space: str
    colours: ImageCms.ImageCmsProfile


def _profile(data: bytes | None) -> _Profile | None:
    """What an ICC profile says; None for none, and for sRGB's own, which changes nothing."""
    if not data:
        return None
    try:
        found = ImageCms.ImageCmsProfile(BytesIO(data))
        name = ImageCms.getProfileDescription(found).strip()
        space = found.profile.xcolor_space.strip()  # pyright: ignore[reportAttributeAccessIssue]
    except (ImageCms.PyCMSError, OSError, ValueError):
        raise PictureError(UNREADABLE) from None
    return None if "srgb" in name.lower() and "linear" not in name.lower() else _Profile(name, space, found)


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB or RGBA with the colours that ``profile`` (ICC) says; none, and sRGB's own, change nothing."""
    plain = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if (found := _profile(profile)) is None:
        return plain
    try:
        srgb = ImageCms.createProfile("sRGB")
        made = ImageCms.profileToProfile(_meant(image, found), found.colours, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        raise PictureError(UNREADABLE) from None
    assert made is not None
    if plain.mode == "RGBA":
        made.putalpha(plain.getchannel("A"))
    return made


def _meant(image: Image.Image, profile: _Profile) -> Image.Image:
    """The values of ``image`` that the profile speaks of. Raises ``PictureError`` where it has none such."""
    if profile.space == "CMYK" and image.mode == "CMYK":
        return image
    if profile.space == "RGB" and image.mode != "CMYK":
        return image.convert("RGB")
    if profile.space == "GRAY" and image.mode != "CMYK":
        red, green, blue = image.convert("RGB").split()  # which Pillow makes of deep grey with alpha
        if red == green == blue:
            return red
    pixels = "CMYK" if image.mode == "CMYK" else "RGB"
    got = f"its colour profile is one for {profile.space}, and its pixels are {pixels}"
    raise PictureError(f"Picture: {got}; a profile for its pixels, or none, is allowed.")


def sha256_of(image: Image.Image) -> str:
    """The name of a picture in recipes: 64 hex digits that its size and its ``upright`` pixels decide."""
    pixels = upright(image)
    return hashlib.sha256(
        f"{pixels.mode} {pixels.width}x{pixels.height}\n".encode() + pixels.tobytes()
    ).hexdigest()


def weighed_picture(said: str) -> tuple[str, Image.Image, float]:
    """(name, picture, weight) of ``NAME=FILE`` or ``NAME=FILE:WEIGHT``, as the command line has them.

    A FILE that is there is one, whatever its name ends with. Raises ``PictureError``.
    """
    name, equals, rest = said.partition("=")
    file, colon, weight = rest.rpartition(":")
    if not colon or Path(rest).is_file():
        file, weight = rest, "1"
    if not (name and equals and file and re.fullmatch(r"\d{1,9}(\.\d{1,9})?", weight)):
        allowed = "NAME=FILE or NAME=FILE:WEIGHT, the weight a number"
        raise PictureError(f"got {said[:80]!r}; allowed: {allowed}.")
    try:
        return name, upright(open_picture(file)), float(weight)
    except (PictureError, OSError) as error:
        raise PictureError(f"{file[:200]}: {error}") from None


class Inputs(Mapping[str, Image.Image]):
    """Pictures below ``folder`` by their ``sha256_of``. Safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        files.sweep(folder)

    def add(self, picture: Image.Image | str | Path) -> str:
        """Keep a picture, or the picture in a file from anybody; returns its name.

        Raises ``PictureError`` for what is no picture or too large, and OSError where it cannot be written.
        """
        image = picture if isinstance(picture, Image.Image) else open_picture(picture)
        if image.width * image.height > MAX_PIXELS:
            allowed = f"at most {MAX_PIXELS / 1e6:.1f} megapixels"
            raise PictureError(f"Picture: {image.width} x {image.height} pixels; {allowed} are allowed.")
        image = upright(image)
        name = sha256_of(image)
        path = self._path(name)
        if not path.is_file():
            buffer = BytesIO()
            image.save(buffer, format="PNG")
            path.parent.mkdir(exist_ok=True)
            files.write_durably(path, buffer.getvalue())
        return name

    def __getitem__(self, name: str) -> Image.Image:
        """Raises ``KeyError`` where it is not kept, ``PictureError`` where its file is not what it was."""
        path = self.file(name)
        if path is None:
            raise KeyError(name)
        image = open_picture(path, most_bytes=path.stat().st_size)  # ours: its pixels are limited
        if sha256_of(image) != name:
            raise PictureError(f"Picture: the file of {name[:12]}… was changed.")
        return image

    def file(self, name: str) -> Path | None:
        """Where the picture of that name is kept; None where it is not."""
        path = self._path(name) if _NAME.fullmatch(name) else None
        return path if path is not None and path.is_file() else None

    def __iter__(self) -> Iterator[str]:
        return (file.stem for file in sorted(self.folder.glob("??/*.png")) if _NAME.fullmatch(file.stem))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / f"{name}.png"
