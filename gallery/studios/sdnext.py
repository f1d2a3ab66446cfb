"""SD.Next: AUTOMATIC1111's text with names of its own (modules/processing_info.py).

Its samplers are those of diffusers (modules/sd_samplers_diffusers.py), at the orders set there.
"""

from collections.abc import Mapping

from gallery.studios import a1111
from gallery.studios.reading import Reading, named, number, whole
from gallery.studios.texts import settings_text

NAME = "SD.Next"

SAMPLERS = {
    "euler": "Euler",
    "euler-a": "Euler a",
    "heun": "Heun",
    "dpmpp-2m": "DPM++ 2M",
    "dpmpp-2m-sde": "DPM++ 2M SDE",
    "dpmpp-3m": "DPM++ 3M",
    "dpmpp-sde": "DPM SDE",
    "dpm-2": "KDPM2",
    "dpm-2-a": "KDPM2 a",
    "lms": "LMSD",
    "unipc-2": "UniPC",
    "deis-2": "DEIS",
    "sa-solver": "SA Solver",
    "ddim": "DDIM",
    "ddpm": "DDPM",
    "pndm": "PNDM",
    "ipndm": "IPNDM",
    "lcm": "LCM",
    "tcd": "TCD",
}
SIGMAS = {"karras": "karras", "exponential": "exponential", "beta": "betas"}
SPACINGS = {"trailing": "trailing"}
OF_ORDER = {
    ("unipc-2", 3): "unipc-3",
    ("unipc-2", 2): "unipc-2",
    ("deis-2", 3): "deis-3",
    ("deis-2", 2): "deis-2",
}
_KEYS = {
    "CFG rescale": ("rescale", number),
    "Denoising strength": ("denoise", number),
    "Sampler": ("sampler", named(SAMPLERS, {"LMS": "lms"})),
    "Sampler sigma": ("schedule", named(SIGMAS)),
    "Sampler spacing": ("schedule", named(SPACINGS)),
}  # fmt: skip
_SILENT = frozenset(
    {"App", "Pipeline", "Batch", "Index", "Original prompt", "Original negative", "Embeddings"}
)
_SAYS_NOTHING = {
    ("Operations", "txt2img"),
    ("Operations", "none"),
    ("Operations", "txt2img; hires"),  # which is told by its own settings
    ("Hires force", "True"),
    ("Second pass", "True"),
    ("Refine", "True"),
    ("Parser", "native"),
    ("Parser", "Native"),
}


def read(texts: Mapping[str, str]) -> Reading | None:
    text = settings_text(texts)
    if "App: SD.Next" not in text and not ("Operations: " in text and "Pipeline: " in text):
        return None
    reading = Reading(NAME)
    prompt, negative, pairs = a1111.parse(text)
    reading.values |= {"prompt": prompt, "negative": negative}
    a1111.take_pairs(reading, pairs, lambda key, value: _take(reading, key, value))
    return reading


def _take(reading: Reading, key: str, value: str) -> None:
    if key in _KEYS:
        word, convert = _KEYS[key]
        reading.take(word, convert(value), key, value)
    elif key == "Sampler order":
        _order(reading, value)
    elif key not in _SILENT and (key, value) not in _SAYS_NOTHING:
        a1111.take(reading, key, value)


def _order(reading: Reading, value: str) -> None:
    chosen = OF_ORDER.get((str(reading.values.get("sampler")), whole(value) or 0))
    reading.take("sampler", chosen, "Sampler order", value)
