"""SwarmUI: JSON ``sui_image_params`` as parameters or UserComment (docs/Image Metadata Format.md)."""

from collections.abc import Mapping
from typing import Any

from gallery.studios import hires, names, syntax
from gallery.studios.reading import NotUnderstood, Reading, json_object, model_name, number, take_all, whole
from gallery.studios.texts import settings_text

NAME = "SwarmUI"

_KEYS = {
    "seed": ("seed", whole),
    "steps": ("steps", whole),
    "cfgscale": ("guidance", number),
    "width": ("width", whole),
    "height": ("height", whole),
    "sampler": ("sampler", names.sampler),
    "scheduler": ("schedule", names.schedule),
    "model": ("model", model_name),
    "initimagecreativity": ("denoise", number),
}
_SHARE = "refinercontrolpercentage"  # of the steps
_REFINER = (_SHARE, "refinerupscale", "refinersteps")
# Dates and versions; what chose the wildcards, which are chosen by now; and which of a batch this is.
_SILENT = frozenset({
    "prompt", "negativeprompt", "vae", "automaticvae", "clipstopatlayer", "loras", "loraweights",
    "swarm_version", "date", "generation_time", "original_prompt", "original_negativeprompt",
    "used_wildcards", "wildcardseed", "aspectratio", "sidelength", "images", "batchsize", "nopreviews",
    "donotsave", "imageformat", "outputpath", "personalnote", "resolution", "used_embeddings",
    "prep_time", "gen_time",
})  # fmt: skip


def read(texts: Mapping[str, str]) -> Reading | None:
    text = settings_text(texts)
    if '"sui_image_params"' not in text or not text.lstrip().startswith("{"):
        return None
    params = json_object(text, "SwarmUI text").get("sui_image_params")
    if not isinstance(params, dict):
        raise NotUnderstood("its SwarmUI text holds no settings.")
    reading = Reading(NAME)
    for key, word in (("prompt", "prompt"), ("negativeprompt", "negative")):
        _words(reading, params.get(key, ""), key, word)
    refined = _refined(reading, params)
    take_all(reading, params, _KEYS, _SILENT | refined)
    _take_others(reading, params)
    return reading.done()


def _words(reading: Reading, given: object, key: str, word: str) -> None:
    if not isinstance(given, str):
        return reading.tell(key, given)
    words, left_out = syntax.tags(given)
    reading.values[word] = words
    for tag in left_out:
        reading.tell(f"{key} tag", tag)


def _take_others(reading: Reading, params: Mapping[str, Any]) -> None:
    vae = params.get("vae")
    if vae is not None:
        reading.take("vae", "" if vae in ("Automatic", "None") else model_name(vae), "vae", vae)
    layer = params.get("clipstopatlayer")
    if layer is not None:
        last = whole(layer)
        reading.take("clip_skip", None if last is None else -last, "clipstopatlayer", layer)
    loras, weights = (_listed(params.get(key)) for key in ("loras", "loraweights"))
    for k, lora in enumerate(loras):
        reading.lora(lora, weights[k] if k < len(weights) else 1)


def _refined(reading: Reading, params: Mapping[str, Any]) -> frozenset[str]:
    """Refining after the drawing, by the same model, is a second pass; returns the settings that say so."""
    method, model = params.get("refinermethod", "PostApply"), params.get("refinermodel", "(Use Base)")
    if method != "PostApply" or model not in ("(Use Base)", params.get("model")):
        return frozenset()
    said = {key: params[key] for key in _REFINER if key in params}
    if _SHARE not in said:
        return frozenset()
    steps = whole(said.get("refinersteps")) or 0  # as here, of which the share is run
    second = hires.Pass(number(said.get("refinerupscale", 1)), number(said[_SHARE]), steps)
    hires.take(reading, second, said, "refinerupscalemethod", params.get("refinerupscalemethod"))
    return frozenset({*said, "refinerupscalemethod", "refinermethod", "refinermodel"})


def _listed(value: object) -> list[Any]:
    """Older versions join lists by commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value if isinstance(value, list) else []
