"""One picture of many: a grid with its axes' values beside it. Knows no recipes."""

from collections.abc import Mapping, Sequence
from textwrap import wrap

from PIL import Image, ImageDraw, ImageFont

PAPER, INK, FAINT = (250, 249, 246), (38, 36, 44), (120, 116, 128)
GAP = 8  # pixels between pictures
LARGEST = 8192  # pixels along a side: pictures are made smaller until the sheet fits


def sheet(
    pictures: Mapping[tuple[int, int, int], Image.Image],
    names: Sequence[str],
    labels: Sequence[Sequence[str]],
) -> Image.Image:
    """The pictures by their places (x, y, z), each plane z below the one before, x and y labelled beside.

    ``names`` and ``labels`` are of one to three axes; a place without a picture stays empty.
    """
    names = [*names, "", ""][:3]
    columns, rows, planes = ([*map(list, labels), [""], [""]])[:3]
    wide, high = (max((image.size[k] for image in pictures.values()), default=64) for k in (0, 1))
    text = max(13, min(wide, high) // 12)
    font = ImageFont.load_default(text)
    left = _width(font, [f"{names[1]}: {row}" if names[1] else "" for row in rows], wide)
    head = 2 * text + 3 * GAP
    room = (
        (LARGEST - left - GAP) / len(columns) - GAP,
        ((LARGEST - GAP) / len(planes) - head) / len(rows) - GAP,
    )
    shrink = min(1.0, room[0] / wide, room[1] / high)
    wide, high = max(1, int(wide * shrink)), max(1, int(high * shrink))
    block = head + (high + GAP) * len(rows)
    size = (left + (wide + GAP) * len(columns) + GAP, block * len(planes) + GAP)
    made = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(made)
    for z, plane in enumerate(planes):
        top = z * block
        title = " · ".join(part for part in (names[0], f"{names[2]}: {plane}" if names[2] else "") if part)
        draw.text((left, top + GAP), title, FAINT, font)
        for x, label in enumerate(columns):
            place = (left + x * (wide + GAP), top + text + 2 * GAP)
            draw.text(place, _fitted(font, label, wide), INK, font)
        for y, label in enumerate(rows):
            beside = "\n".join(wrap(f"{names[1]}: {label}", 18)) if names[1] else ""
            draw.multiline_text((GAP, top + head + y * (high + GAP)), beside, INK, font)
            for x in range(len(columns)):
                if (image := pictures.get((x, y, z))) is not None:
                    corner = (left + x * (wide + GAP), top + head + y * (high + GAP))
                    made.paste(_small(image, wide, high), corner)
    return made


def _small(image: Image.Image, wide: int, high: int) -> Image.Image:
    image = image.convert("RGB")
    scale = min(wide / image.width, high / image.height, 1.0)
    if scale == 1:
        return image
    return image.resize((max(1, int(image.width * scale)), max(1, int(image.height * scale))))


def _width(font: ImageFont.ImageFont | ImageFont.FreeTypeFont, texts: Sequence[str], most: int) -> int:
    lines = [line for text in texts for line in wrap(text, 18)]
    widest = max((int(font.getlength(line)) for line in lines), default=0)
    return min(widest, 2 * most) + 2 * GAP


def _fitted(font: ImageFont.ImageFont | ImageFont.FreeTypeFont, text: str, wide: int) -> str:
    """As much of ``text`` as has room."""
    while len(text) > 1 and font.getlength(text) > wide:
        text = text[:-2] + "…"
    return text
