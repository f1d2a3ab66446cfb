"""Opening picture files that somebody else made. The only place where such a file meets a decoder.

Three formats, a limit on bytes and a limit on pixels that is checked from the header before anything is
decoded; Pillow alone opens 43 formats and only warns at 13,000 x 13,000.
"""

from io import BytesIO
from pathlib import Path

from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_BYTES = 20 * 1000 * 1000
KEPT_BYTES = 80_000_000  # of what the studio wrote: 16.8 megapixels that cannot be compressed are 67
MAX_PIXELS = 1 << 24  # 4096 x 4096


class PictureError(ValueError):
    """A file is not a picture we open. The message says what it is and what is allowed."""


def open_picture(file: str | Path, most_bytes: int = MAX_BYTES) -> Image.Image:
    """Decode the first frame of ``file`` (PNG, JPEG or WebP; at most 20 MB and 16.8 megapixels).

    The result is loaded and detached from the file; its ``info`` holds the text chunks.
    Raises PictureError for everything else, whatever the decoder stumbles over.
    """
    path = Path(file)
    try:
        size = path.stat().st_size
    except OSError:
        raise PictureError("Picture: the file is no longer there.") from None
    if size > most_bytes:
        raise PictureError(f"Picture: {size / 1e6:.0f} MB; at most {most_bytes / 1e6:.0f} MB are allowed.")
    return _decoded(path, FORMATS)


def open_kept(file: str | Path) -> Image.Image:
    """As ``open_picture``, of a file that a gallery wrote: what is drawn is larger than what is uploaded."""
    return open_picture(file, KEPT_BYTES)


def open_bytes(data: bytes, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """As ``open_picture``, of what is in memory."""
    if len(data) > MAX_BYTES:
        got = f"{len(data) / 1e6:.0f} MB"
        raise PictureError(f"Picture: {got}; at most {MAX_BYTES / 1e6:.0f} MB are allowed.")
    return _decoded(BytesIO(data), formats)


def depth_of(file: str | Path) -> int:
    """Bits of each value in a picture's file: 16 in some PNGs, of which Pillow opens the upper 8 of most."""
    with Path(file).open("rb") as opened:
        head = opened.read(25)
    return head[24] if head[:8] == b"\x89PNG\r\n\x1a\n" and head[12:16] == b"IHDR" else 8


def _decoded(source: Path | BytesIO, formats: tuple[str, ...]) -> Image.Image:
    try:
        with Image.open(source, formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise PictureError(_too_many(f"{image.width} x {image.height} pixels"))
            image.load()
            return image
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise PictureError(_too_many("more than 178 megapixels")) from None
    except Image.UnidentifiedImageError:
        raise PictureError(_unknown(formats)) from None
    except (
        Exception
    ) as error:  # decoders raise OSError, ValueError, SyntaxError, struct.error ... on bad bytes
        raise PictureError(f"Picture: the file is damaged ({type(error).__name__}).") from error


def _unknown(formats: tuple[str, ...]) -> str:
    if formats == FORMATS:
        return "Picture: not a PNG, JPEG or WebP file. Those three can be opened."
    return f"Picture: not a {' or '.join(formats)} file."


def _too_many(got: str) -> str:
    return f"Picture: {got}; at most {MAX_PIXELS / 1e6:.1f} megapixels (4096 x 4096) are allowed."
