"""Fooocus: JSON (scheme "fooocus") or a text like AUTOMATIC1111's ("a1111"), by modules/meta_parser.py.

Its samplers are ComfyUI's. Every text of ``full_prompt`` (the prompt, its expansion, each style) is encoded
by itself and joined to the others' (modules/default_pipeline.py, clip_encode): here that is BREAK.
"""

import re
from collections.abc import Mapping
from typing import Any

from gallery import parameters
from gallery.studios import a1111, names, syntax
from gallery.studios.reading import Reading, json_object, model_name, named, number, take_all, whole
from gallery.studios.texts import settings_text

NAME = "Fooocus"

SCHEDULES = names.SCHEDULES | {"ays-sdxl": "align_your_steps"}
_schedule = named(SCHEDULES)
_KEYS = {
    "seed": ("seed", whole),
    "steps": ("steps", whole),
    "guidance_scale": ("guidance", number),
    "clip_skip": ("clip_skip", whole),
    "sampler": ("sampler", names.sampler),
    "scheduler": ("schedule", _schedule),
    "base_model": ("model", model_name),
}
_SILENT = frozenset({
    "prompt", "negative_prompt", "full_prompt", "full_negative_prompt", "prompt_expansion",
    "resolution", "vae", "loras", "base_model_hash", "refiner_model_hash", "metadata_scheme", "version",
    "created_by",
})  # fmt: skip
_PACE = ("Quality", "Speed")  # they set the steps, which are told besides; the others add LoRAs
_TEXT_SILENT = ("Raw prompt", "Raw negative prompt", "Refiner hash", "Styles")
_TEXT_SAYS_NOTHING = [("Performance", pace) for pace in _PACE]
_STYLED = "The styles' words are in the prompts; Styles themselves are not taken over."
_OWN_VAE = ("Default (model)", "None", "")


def read(texts: Mapping[str, str]) -> Reading | None:
    text = settings_text(texts)
    scheme = texts.get("fooocus_scheme") or texts.get("makernote", "")
    if text.lstrip().startswith("{") and (
        scheme == "fooocus" or '"full_prompt"' in text or '"base_model"' in text
    ):
        return _from_json(json_object(text, "Fooocus text"))
    if text and (scheme in ("a1111", "fooocus") or "Version: Fooocus" in text):
        return _from_text(text)
    return None


def _from_json(given: Mapping[str, Any]) -> Reading:
    reading = Reading(NAME)
    reading.values["prompt"] = _joined(given.get("full_prompt"), given.get("prompt"))
    reading.values["negative"] = _joined(given.get("full_negative_prompt"), given.get("negative_prompt"))
    others = {key: value for key, value in given.items() if not key.startswith("lora_combined_")}
    if others.get("performance") in _PACE:
        del others["performance"]
    if others.get("refiner_model") in (None, "", "None"):
        others.pop("refiner_switch", None)
    if others.get("styles") in ("[]", []):
        del others["styles"]
    elif given.get("full_prompt") and others.pop("styles", None):
        reading.note(_STYLED)
    take_all(reading, others, _KEYS, _SILENT)
    _size(reading, given.get("resolution"))
    if "vae" in given:
        vae = given["vae"]
        reading.take("vae", "" if vae in _OWN_VAE else model_name(vae), "vae", vae)
    _loras(reading, given)
    return reading.done()


def _joined(full: object, typed: object) -> str:
    texts = [text for text in full if isinstance(text, str) and text] if isinstance(full, list) else []
    if not texts:
        texts = [typed] if isinstance(typed, str) else []
    return " BREAK ".join(syntax.weighed(text) for text in texts)


def _size(reading: Reading, given: object) -> None:
    size = (
        re.fullmatch(r"\(\s{0,4}(\d{1,6})\s{0,4},\s{0,4}(\d{1,6})\s{0,4}\)", given)
        if isinstance(given, str)
        else None
    )
    if size:
        reading.values |= {"width": int(size[1]), "height": int(size[2])}
    elif given is not None:
        reading.tell("resolution", given)


def _loras(reading: Reading, given: Mapping[str, Any]) -> None:
    """As a list (from 2.2 on), or each as "name : weight"."""
    loras = given.get("loras")
    if isinstance(loras, list):
        for lora in loras:
            name, weight = lora[:2] if isinstance(lora, list) and len(lora) > 1 else (lora, None)
            reading.lora(name, weight)
        return
    for key in (key for key in given if key.startswith("lora_combined_")):
        name, _, weight = str(given[key])[:600].rpartition(" : ")
        if name != "None":
            reading.lora(name, weight, key)


def _from_text(text: str) -> Reading:
    prompt, negative, pairs = a1111.parse(text)
    reading = Reading(NAME)
    reading.values |= {"prompt": syntax.weighed(prompt), "negative": syntax.weighed(negative)}
    for key, value in pairs:
        _take_pair(reading, key, value)
    if any(key == "Styles" for key, _ in pairs):
        reading.note(_STYLED)
    return reading.done()


def _take_pair(reading: Reading, key: str, value: str) -> None:
    if key == "Scheduler":
        reading.take("schedule", _schedule(value), key, value)
    elif key == "Sampler":
        plain = value.removesuffix(" Karras")
        known = (parameters.value("Sampler", plain) or {}).get("sampler")
        reading.take("sampler", names.sampler(plain) or known, key, value)
    elif key == "VAE":
        reading.take("vae", "" if value in _OWN_VAE else model_name(value), key, value)
    elif key == "Lora weights":
        for lora in value.split(", "):
            name, _, weight = lora.rpartition(": ")
            reading.lora(name, weight, key)
    elif key not in _TEXT_SILENT and (key, value) not in _TEXT_SAYS_NOTHING:
        a1111.take(reading, key, value)
