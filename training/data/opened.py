"""Opening one picture or one text of a folder that anybody may have filled. Knows no captions.

Three formats, limits on bytes and on pixels that are checked before anything is decoded, and no way out of
the folder by a link.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor, from_numpy

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_BYTES = 64 * 1000 * 1000
MAX_PIXELS = 1 << 26  # 8192 x 8192: what cameras make
MAX_TEXT = 1 << 16  # bytes of one caption


class Unusable(ValueError):
    """A file cannot be learnt from; the message is the reason."""


def inside(file: Path, root: Path) -> Path:
    """``file``, which is one and lies in ``root``, links followed. Raises ``Unusable``."""
    try:
        real = file.resolve()
        if not real.is_relative_to(root.resolve()):
            raise Unusable("a link that leads out of the folder")
        if not real.is_file():
            raise Unusable("not a file" if real.exists() else "not there")
    except OSError as error:
        raise Unusable(f"cannot be read ({error.strerror})") from None
    return file


def open_photograph(file: Path, root: Path) -> Image.Image:
    """The first frame of ``file``, a PNG, JPEG or WebP in ``root``, decoded, upright, RGB on white.

    Raises ``Unusable`` for everything else, whatever the decoder stumbles over.
    """
    size = inside(file, root).stat().st_size
    if size > MAX_BYTES:
        raise Unusable(f"{size / 1e6:.0f} MB; allowed: at most {MAX_BYTES / 1e6:.0f} MB")
    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Unusable(
                    f"{image.width} x {image.height} pixels; allowed: {MAX_PIXELS / 1e6:.0f} million"
                )
            image.load()
            upright = ImageOps.exif_transpose(image)
            if "A" in upright.getbands() or "transparency" in upright.info:
                seen = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
            return upright.convert("RGB")
    except Unusable:
        raise
    except Image.DecompressionBombError:
        raise Unusable(f"too many pixels; allowed: {MAX_PIXELS / 1e6:.0f} million") from None
    except Image.UnidentifiedImageError:
        raise Unusable("not a PNG, JPEG or WebP") from None
    except (
        Exception
    ) as error:  # decoders raise OSError, ValueError, SyntaxError, struct.error ... on bad bytes
        raise Unusable(f"damaged ({type(error).__name__})") from None


def read_text(file: Path, root: Path, most: int = MAX_TEXT) -> str:
    """What ``file`` in ``root`` says, UTF-8, at most ``most`` bytes. Raises ``Unusable``."""
    size = inside(file, root).stat().st_size
    if size > most:
        raise Unusable(f"{file.name} has {size} bytes; allowed: at most {most}")
    try:
        return file.read_text("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise Unusable(f"{file.name} is not UTF-8") from None
    except OSError as error:
        raise Unusable(f"{file.name} cannot be read ({error.strerror})") from None


def to_pixels(image: Image.Image) -> Tensor:
    """(3, H, W) uint8."""
    return from_numpy(np.array(image)).permute(2, 0, 1)
