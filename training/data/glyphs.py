"""Glyphs of the colour-emoji font as RGBA pictures. Knows the font file, not what scenes are made of."""

from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONT_SIZE = 109  # the only bitmap size of the CBDT build of Noto Color Emoji
FONT_PATHS = (
    Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf"),
    Path.home() / ".local/share/fonts/NotoColorEmoji.ttf",
)


@lru_cache(1)
def font() -> ImageFont.FreeTypeFont:
    """The font; raises ``FileNotFoundError`` that says how to get it."""
    for path in FONT_PATHS:
        if path.is_file():
            return ImageFont.truetype(str(path), FONT_SIZE)
    raise FileNotFoundError(
        "The font Noto Color Emoji is needed to make training scenes and was not found. "
        "On Debian or Ubuntu: apt install fonts-noto-color-emoji; elsewhere put NotoColorEmoji.ttf (bitmap) "
        f"at {FONT_PATHS[-1]}."
    )


@lru_cache(None)
def glyph(character: str) -> Image.Image:
    """One glyph, cropped to its ink and padded to a square; RGBA with premultiplied-safe edges."""
    canvas = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((12, 12), character, font=font(), embedded_color=True)
    ink = canvas.getbbox()
    if ink is None:
        raise ValueError(f"The font has no glyph for {character!r}.")
    left, top, right, bottom = ink
    side = max(right - left, bottom - top)
    square = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    square.paste(canvas.crop(ink), ((side - (right - left)) // 2, (side - (bottom - top)) // 2))
    return square


@lru_cache(50_000)
def sized(character: str, side: int) -> Image.Image:
    """The glyph at ``side`` x ``side`` pixels, RGBA."""
    return glyph(character).resize(
        (side, side), Image.Resampling.BOX if side < 60 else Image.Resampling.LANCZOS
    )


@lru_cache(None)
def mean_colour(character: str) -> tuple[float, float, float]:
    """Alpha-weighted mean colour, 0-255: used to keep objects off backgrounds they would vanish on."""
    r, g, b, _ = glyph(character).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[misc]
    return float(r), float(g), float(b)
