"""Draw Things: JSON as the UserComment of an XMP packet (https://wiki.drawthings.ai).

The packet is XML, of which only that one text is looked for: no XML parser meets it.
"""

import html
import re
from collections.abc import Mapping

from gallery import parameters
from gallery.studios import syntax
from gallery.studios.reading import Reading, is_off, json_object, model_name, named, number, take_all, whole
from gallery.studios.texts import USER_COMMENT, XMP

NAME = "Draw Things"

SAMPLERS = {
    "dpmpp-2m": "DPM++ 2M",
    "dpmpp-sde": "DPM++ SDE",
    "euler-a": "Euler A",
    "ddim": "DDIM",
    "pndm": "PLMS",
    "unipc-2": "UniPC",
    "lcm": "LCM",
    "tcd": "TCD",
}
_sampler = named(SAMPLERS)
_SPACINGS = {" Karras": "karras", " Trailing": "trailing"}
_KEYS = {
    "seed": ("seed", whole),
    "steps": ("steps", whole),
    "scale": ("guidance", number),
    "model": ("model", model_name),
}
_SILENT = frozenset({"c", "uc", "size", "sampler", "lora", "v2", "profile"})
_OFF = {"strength": (1,), "mask_blur": (0, 1.5), "mask_blur_outset": (0,), "shift": (1,), "sharpness": (0,)}
_COMMENT = re.compile(r"<exif:UserComment>.{0,200}?<rdf:li[^>]{0,100}>([^<]*)</rdf:li>", re.DOTALL)


def read(texts: Mapping[str, str]) -> Reading | None:
    packet = texts.get(XMP, "")
    found = _COMMENT.search(packet)
    text = html.unescape(found[1]) if found else texts.get(USER_COMMENT, "")
    if not text.lstrip().startswith("{") or '"c"' not in text or '"uc"' not in text:
        return None
    given = json_object(text, "Draw Things text")
    reading = Reading(NAME)
    for key, word in (("c", "prompt"), ("uc", "negative")):
        words = given.get(key, "")
        reading.take(word, syntax.weighed(words) if isinstance(words, str) else None, key, words)
    others = {key: value for key, value in given.items() if value not in _OFF.get(key, ())}
    take_all(reading, others, _KEYS | {"strength": ("denoise", number)}, _SILENT)
    size = parameters.value("Size", str(given.get("size", ""))[:20])
    if size:
        reading.values |= size
    elif "size" in given:
        reading.tell("size", given["size"])
    _take_sampler(reading, given.get("sampler"))
    for lora in given["lora"] if isinstance(given.get("lora"), list) else []:
        if isinstance(lora, dict):
            reading.lora(lora.get("model"), lora.get("weight", 1))
        elif not is_off(lora):
            reading.tell("lora", lora)
    return reading.done()


def _take_sampler(reading: Reading, given: object) -> None:
    if not isinstance(given, str):
        return None if given is None else reading.tell("sampler", given)
    for ending, schedule in _SPACINGS.items():
        if given.endswith(ending) and (plain := _sampler(given.removesuffix(ending))):
            reading.values |= {"sampler": plain, "schedule": schedule}
            return None
    return reading.take("sampler", _sampler(given), "sampler", given)
