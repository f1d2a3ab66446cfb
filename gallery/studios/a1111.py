"""AUTOMATIC1111's web UI and Forge: the ``parameters`` text (modules/processing.py, infotext_utils.py).

The text itself is read by ``gallery.parameters``, as this studio writes it too. Here is what only the files
of that web UI say: what "Automatic" schedules are, samplers of Forge, and which settings decide nothing.
"""

import json
from collections.abc import Callable, Mapping, Sequence

from gallery import parameters
from gallery.studios import hires
from gallery.studios.reading import NotUnderstood, Reading, named, number
from gallery.studios.texts import settings_text

MAX_TEXT = 131_072  # characters
NAME = "AUTOMATIC1111"

# Forge and reForge have these beyond AUTOMATIC1111's own, whose names are in ``gallery.parameters``.
MORE_SAMPLERS = {
    "ipndm": "IPNDM",
    "ipndm-v": "IPNDM_V",
    "deis-3": "DEIS",
    "tcd": "TCD",
    "er-sde": "ER SDE",
    "sa-solver": "SA Solver",
    "seeds-2": "SEEDS 2",
    "seeds-3": "SEEDS 3",
    "res-2m": "Res Multistep",
}
MORE_SCHEDULES = {"linear-quadratic": "Linear Quadratic"}
# What "Automatic" is with each sampler (modules/sd_samplers_kdiffusion.py, option "scheduler").
AUTOMATIC = {
    "dpmpp-2m": "karras",
    "dpmpp-sde": "karras",
    "dpmpp-2m-sde": "exponential",
    "dpmpp-2m-sde-heun": "exponential",
    "dpmpp-2s-a": "karras",
    "dpmpp-3m-sde": "exponential",
    "dpm-2": "karras",
    "dpm-2-a": "karras",
    "restart": "karras",
    "euler": "model",
    "euler-a": "model",
    "lms": "model",
    "heun": "model",
}
# Of img2img and inpainting.
_EDIT = frozenset({
    "Mask blur", "Mask mode", "Inpaint area", "Masked area padding", "Masked content", "Inpaint padding",
    "Resize mode", "Image CFG scale",
})  # fmt: skip
_DENOISE = "Denoising strength"
# They decide nothing: hashes of what is named anyway, and which of a batch this is (each has its own seed).
_SILENT = frozenset({
    "Model hash", "VAE hash", "Lora hashes", "TI hashes", "Hashes", "TI", "Version", "User",
    "Batch size", "Batch pos", "Created Date", "Civitai resources", "Civitai metadata",
})  # fmt: skip
_SAYS_NOTHING = {("RNG", "CPU"), ("Emphasis", "Original"), ("Face restoration", "None"), ("Refiner", "None")}
_sampler, _schedule = named(MORE_SAMPLERS), named(MORE_SCHEDULES, {"Normal": "model"})


def read(texts: Mapping[str, str]) -> Reading | None:
    """Settings of anything that writes this text, if its own studio was not recognised before."""
    text = settings_text(texts)
    if not text.strip():
        return None
    prompt, negative, pairs = parse(text)
    reading = Reading(NAME)
    reading.values |= {"prompt": prompt, "negative": negative}
    take_pairs(reading, pairs, lambda key, value: take(reading, key, value))
    if ("Schedule type", "Automatic") in pairs:
        _resolve(reading)
    return reading


def parse(text: str) -> tuple[str, str, list[tuple[str, str]]]:
    """(prompt, negative prompt, pairs) of such a text. Raises NotUnderstood for one too long, or of JSON."""
    if len(text) > MAX_TEXT:
        raise NotUnderstood(f"its settings are {len(text)} characters; at most {MAX_TEXT} are read.")
    if text.lstrip().startswith("{") and _is_json(text):
        raise NotUnderstood("its settings are JSON of a studio that is not known here.")
    return parameters.parse(without_json(text))


def take_pairs(
    reading: Reading, pairs: Sequence[tuple[str, str]], take_one: Callable[[str, str], None]
) -> None:
    """All pairs of the last line, each by ``take_one`` but those of hires fix."""
    second = {key: value for key, value in pairs if key.startswith("Hires ") or key == _DENOISE}
    for key, value in pairs:
        if key not in second:
            take_one(key, value)
    done = hires.from_pairs(reading, dict(pairs))
    for key, value in second.items():
        if key == _DENOISE and key not in done and len(second) > 1:
            reading.tell(key, value)  # of a second pass that is none here, and of no edit
        elif key not in done:
            take_one(key, value)


def take(reading: Reading, key: str, value: str) -> None:
    """One pair of the last line."""
    if key in _SILENT or (key, value) in _SAYS_NOTHING:
        return
    if key == "Sampler" and (ours := _sampler(value)):
        reading.values["sampler"] = ours
    elif key == "Schedule type" and (ours := _schedule(value)):
        reading.values["schedule"] = ours
    elif key == _DENOISE:
        reading.take("denoise", number(value), key, value)
    elif key in _EDIT:
        reading.take("edit", value, key, value)
    elif (key, value) != ("Schedule type", "Automatic"):
        _take_shared(reading, key, value)


def _take_shared(reading: Reading, key: str, value: str) -> None:
    found = parameters.value(key, value)
    if found is None:
        reading.tell(key, value)
    else:
        reading.values |= found


def _resolve(reading: Reading) -> None:
    schedule = AUTOMATIC.get(str(reading.values.get("sampler")))
    reading.take("schedule", schedule, "Schedule type", "Automatic")


def without_json(text: str) -> str:
    """Without the JSON that Civitai puts into the last line as it is, commas and all."""
    for key in ("Civitai resources: ", "Civitai metadata: "):
        start = text.rfind(key)
        if start < 0 or text[start + len(key) : start + len(key) + 1] not in ("[", "{"):
            continue
        try:
            _, end = json.JSONDecoder().raw_decode(text, start + len(key))
        except (ValueError, RecursionError):
            continue
        text = text[:start].rstrip(", ") + text[end:]
    return text


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
