"""The texts inside a picture file, by the names that studios give them. Knows no studio's meaning.

PNG has named text chunks; JPEG and WebP keep a text as EXIF UserComment (tag 0x9286), behind eight bytes that
name its code (Exif 2.32, 4.6.5), and some studios write ``name:text`` into other EXIF tags.
"""

import re
from collections.abc import Mapping

from PIL import Image

MAX_BYTES = 4_200_000  # of one text that is still looked at; a megabyte of letters in UTF-16, and room
MOST_TEXTS = 64

_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286
# Description, Make, Model, Software, MakerNote: where "prompt:..." and "workflow:..." are found, and schemes.
_NAMED_TAGS = {
    0x010E: "description",
    0x010F: "make",
    0x0110: "model",
    0x0131: "software",
    0x927C: "makernote",
}
_NAMED = re.compile(r"\s{0,8}(prompt|workflow|parameters)\s{0,8}:", re.IGNORECASE)

USER_COMMENT = "usercomment"
XMP = "xmp"


def texts(image: Image.Image) -> dict[str, str]:
    """Every text of an open picture: PNG chunks by their names, ``usercomment``, ``xmp``, and EXIF tags.

    What an EXIF tag calls ``prompt:`` is found as ``prompt``, unless a chunk is called so.
    """
    found: dict[str, str] = {}
    for name, value in list(image.info.items())[:MOST_TEXTS]:
        if isinstance(value, str):
            found[str(name)] = value
    found |= {name: value for name, value in _from_exif(image).items() if name not in found}
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if xmp:
        found[XMP] = xmp if isinstance(xmp, str) else bytes(xmp)[:MAX_BYTES].decode("utf-8", errors="replace")
    return found


def _from_exif(image: Image.Image) -> dict[str, str]:
    try:
        exif = image.getexif()
        inner = exif.get_ifd(_EXIF_IFD)
        tags = {tag: inner.get(tag, exif.get(tag)) for tag in (_USER_COMMENT, *_NAMED_TAGS)}
    except Exception:  # Pillow's EXIF reader raises many types on bad bytes; unreadable means absent
        return {}
    found: dict[str, str] = {}
    if comment := _comment(tags[_USER_COMMENT]):
        found[USER_COMMENT] = comment
    for tag, name in _NAMED_TAGS.items():
        value = _comment(tags[tag])
        if value and (called := _NAMED.match(value)):
            found[called[1].lower()] = value[called.end() :].strip()
        elif value:
            found[name] = value
    return found


def _comment(value: object) -> str:
    """The text of a tag, whether it came as bytes with a code, as numbers or as text already."""
    if isinstance(value, tuple) and all(isinstance(each, int) and 0 <= each < 256 for each in value):
        value = bytes(value)
    if isinstance(value, str):
        return value.strip("\0 ")
    if not isinstance(value, bytes):
        return ""
    value = value[:MAX_BYTES]
    if value[:8] == b"UNICODE\0":
        return _utf16(value[8:])
    rest = value[8:] if value[:8] in (b"ASCII\0\0\0", b"\0" * 8) else value
    return rest.decode("utf-8", errors="replace").strip("\0 ")


def _utf16(data: bytes) -> str:
    """The standard leaves the order of bytes open, and studios differ: most characters' upper byte is 0."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace").strip("\0 ")
    little = data[1:400:2].count(0) > data[:400:2].count(0)
    return data.decode("utf-16-le" if little else "utf-16-be", errors="replace").strip("\0 ")


def settings_text(found: Mapping[str, str]) -> str:
    """The text of A1111 and those who write where it does: the ``parameters`` chunk, or the UserComment."""
    return found.get("parameters") or found.get(USER_COMMENT, "")
