"""The samples of other studios' files as pictures: ``samples/`` has what each says, and what it becomes.

``texts`` are a PNG's chunks, or for JPEG and WebP ``usercomment`` (UTF-16 of big ends, ``usercomment-le`` of
little ones) and EXIF tags as ``exif:0x0110``. A list is lines, and an object is JSON.
"""

import json
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

SAMPLES = {
    file.stem: json.loads(file.read_text("utf-8")) for file in sorted(Path(__file__).parent.glob("samples/*"))
}
CODE = b"UNICODE\0"


def texts_of(sample: dict[str, Any]) -> dict[str, str]:
    """The sample's texts as they stand in the file."""
    return {name: as_text(value) for name, value in sample["texts"].items()}


def as_text(value: str | list[str] | dict[str, Any]) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return "\n".join(value) if isinstance(value, list) else value


def write(file: Path, kind: str, texts: dict[str, str]) -> Path:
    """A small picture with ``texts`` in it."""
    image = Image.new("RGB", (16, 16), "teal")
    info, exif = PngInfo(), Image.Exif()
    for name, text in texts.items():
        if name == "usercomment":
            exif.get_ifd(0x8769)[0x9286] = CODE + text.encode("utf-16-be", "replace")
        elif name == "usercomment-le":
            exif.get_ifd(0x8769)[0x9286] = CODE + text.encode("utf-16-le", "replace")
        elif name.startswith("exif:"):
            exif[int(name.removeprefix("exif:"), 16)] = text
        else:
            info.add_text(name, text)
    more: dict[str, Any] = {"pnginfo": info} if kind == "png" else {"exif": exif}
    image.save(file, format=kind.upper(), **more)
    return file
