"""InvokeAI: ``invokeai_metadata`` (3 and later), ``sd-metadata`` (2) and ``Dream`` (the first command line).

Its schedulers are diffusers' (invokeai/backend/stable_diffusion/schedulers); ``_k`` is Karras' spacing. Its
prompts are Compel's. A skipped layer of CLIP is counted from 0 there and from 1 here.
"""

import re
from collections.abc import Mapping
from typing import Any

from gallery.studios import hires, syntax
from gallery.studios.reading import (
    NotUnderstood,
    Reading,
    is_off,
    json_object,
    model_name,
    named,
    number,
    take_all,
    whole,
)

NAME = "InvokeAI"

SAMPLERS = {
    "ddim": "ddim",
    "ddpm": "ddpm",
    "deis-2": "deis",
    "lms": "lms",
    "pndm": "pndm",
    "heun": "heun",
    "euler": "euler",
    "euler-a": "euler_a",
    "dpm-2": "kdpm_2",
    "dpm-2-a": "kdpm_2_a",
    "dpmpp-2s": "dpmpp_2s",
    "dpmpp-2m": "dpmpp_2m",
    "dpmpp-2m-sde": "dpmpp_2m_sde",
    "dpmpp-3m": "dpmpp_3m",
    "dpmpp-sde": "dpmpp_sde",
    "unipc-2": "unipc",
    "lcm": "lcm",
    "tcd": "tcd",
}
# Version 2's names; its k_dpmpp_2 and k_dpmpp_2_a say too little of what they were.
OLD_SAMPLERS = {
    "k_lms": "lms", "plms": "pndm", "k_heun": "heun", "k_euler": "euler", "k_euler_a": "euler-a",
    "k_dpm_2": "dpm-2", "k_dpm_2_a": "dpm-2-a", "ddim": "ddim",
}  # fmt: skip
_sampler, _old_sampler = named(SAMPLERS), named({}, OLD_SAMPLERS)
_KEYS = {
    "width": ("width", whole),
    "height": ("height", whole),
    "seed": ("seed", whole),
    "steps": ("steps", whole),
    "cfg_scale": ("guidance", number),
    "cfg_rescale_multiplier": ("rescale", number),
    "strength": ("denoise", number),
}
_OLD_KEYS = {key: _KEYS[key] for key in ("width", "height", "seed", "steps", "cfg_scale", "strength")} | {
    "sampler": ("sampler", _old_sampler)
}
_SILENT = frozenset({
    "positive_prompt", "negative_prompt", "app_version", "scheduler", "clip_skip", "model", "vae",
    "loras", "positive_style_prompt", "negative_style_prompt", "board_id",
})  # fmt: skip
_SIDES = ("width", "height")
_OWN_SIDES = {"sd-1": 512, "sd-2": 768, "sdxl": 1024}
_SAYS_NOTHING = {("rand_device", "cpu"), ("generation_mode", "txt2img"), ("generation_mode", "sdxl_txt2img")}


def read(texts: Mapping[str, str]) -> Reading | None:
    if "invokeai_metadata" in texts:
        return _from_metadata(json_object(texts["invokeai_metadata"], "invokeai_metadata text"))
    if "sd-metadata" in texts:
        return _from_sd_metadata(json_object(texts["sd-metadata"], "sd-metadata text"))
    if "Dream" in texts:
        return _from_dream(texts["Dream"])
    return None


def _from_metadata(given: Mapping[str, Any]) -> Reading:
    reading = Reading(NAME)
    for key, word in (("positive_prompt", "prompt"), ("negative_prompt", "negative")):
        _prompt(reading, given.get(key, ""), key, word)
    for key, plain in (
        ("positive_style_prompt", "positive_prompt"),
        ("negative_style_prompt", "negative_prompt"),
    ):
        if given.get(key) and given[key] != given.get(plain):
            reading.tell(key, given[key])
    others = {k: v for k, v in given.items() if not isinstance(v, str) or (k, v) not in _SAYS_NOTHING}
    second = _second(reading, given)
    take_all(reading, {k: v for k, v in others.items() if k not in second}, _KEYS, _SILENT)
    if "hires" in reading.values:
        reading.values |= dict(zip(("width", "height"), _first_size(given) or (), strict=False))
    scheduler = given.get("scheduler")
    if isinstance(scheduler, str):
        reading.take("sampler", _sampler(scheduler.removesuffix("_k")), "scheduler", scheduler)
        reading.values["schedule"] = "karras" if scheduler.endswith("_k") else "model"
    if not is_off(given.get("clip_skip")):
        skipped = whole(given["clip_skip"])
        reading.take("clip_skip", None if skipped is None else skipped + 1, "clip_skip", given["clip_skip"])
    for key in ("model", "vae"):
        if not is_off(given.get(key)):
            reading.take(key, _name(given[key]), key, given[key])
    _loras(reading, given.get("loras"))
    return reading.done()


def _second(reading: Reading, given: Mapping[str, Any]) -> frozenset[str]:
    """Hires fix up to version 4, which resizes pixels; returns the settings that are read. What 6 writes has
    a scale (``hrf_scale``), and width and height of either pass: it is told."""
    first = _first_size(given)
    if given.get("hrf_enabled") is not True or "hrf_scale" in given or first is None:
        return frozenset({"hrf_strength", "hrf_method"}) if given.get("hrf_enabled") is False else frozenset()
    scale = hires.the_same(*(int(given[side]) / its for side, its in zip(_SIDES, first, strict=True)))
    said = {"hrf_enabled": True, "hrf_strength": given.get("hrf_strength")}
    hires.take(
        reading, hires.Pass(scale, number(given.get("hrf_strength"))), said, "hrf_method",
        given.get("hrf_method"),
    )  # fmt: skip
    return frozenset({*said, "hrf_method"})


def _first_size(given: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height that its hires fix draws at first: the model's own area in the picture's proportions
    (calculateHrfRes in addHrfToGraph.ts)."""
    width, height = (whole(given.get(side)) for side in _SIDES)
    model = given.get("model")
    base = model.get("base", model.get("base_model")) if isinstance(model, dict) else None
    own = _OWN_SIDES.get(base) if isinstance(base, str) else None
    if own is None or not width or not height or not 0 < max(width, height) <= 100_000:
        return None
    short = max(own // 2, own * (min(width, height) / max(width, height)) ** 0.5)
    long = short * max(width, height) / min(width, height)
    sides = (long, short) if width > height else (short, long)
    across, down = (
        round(int(min(most, side)) / 8) * 8 for most, side in zip((width, height), sides, strict=True)
    )
    return across, down


def _name(model: object) -> str | None:
    """``model_name`` up to version 3, ``name`` since."""
    if isinstance(model, dict):
        return model_name(model.get("name") or model.get("model_name"))
    return model_name(model)


def _loras(reading: Reading, loras: object) -> None:
    for lora in loras if isinstance(loras, list) else []:
        if isinstance(lora, dict):
            reading.lora(_name(lora.get("model") or lora.get("lora")), lora.get("weight"))
        else:
            reading.tell("LoRA", lora)


def _prompt(reading: Reading, given: object, key: str, word: str) -> None:
    if not isinstance(given, str):
        return reading.tell(key, given)
    if found := syntax.CONJUNCTIONS.search(given):
        reading.note(
            f"Not restored: {found[0].strip(').(')} in the {word} has no equal here; its words are kept."
        )
    reading.values[word] = syntax.compel(given)


def _from_sd_metadata(given: Mapping[str, Any]) -> Reading:
    image = given.get("image")
    if not isinstance(image, dict):
        raise NotUnderstood("its sd-metadata text holds no image's settings.")
    reading = Reading(NAME)
    prompt = image.get("prompt", "")
    if isinstance(prompt, list):  # weighed prompts, joined there by their weights
        parts = [part for part in prompt if isinstance(part, dict) and isinstance(part.get("prompt"), str)]
        if len(parts) > 1:
            reading.tell("weights of the prompts", [part.get("weight") for part in parts])
        prompt = " ".join(part["prompt"] for part in parts)
    _old_prompt(reading, prompt)
    silent = frozenset({"prompt", "orig_hash"} | ({"type"} if image.get("type") == "txt2img" else set()))
    given_image = {key: value for key, value in image.items() if key in _OLD_KEYS or value not in (0, 0.0)}
    take_all(reading, given_image, _OLD_KEYS, silent)
    if "model_weights" in given:
        reading.take("model", model_name(given["model_weights"]), "model_weights", given["model_weights"])
    return reading.done()


def _old_prompt(reading: Reading, prompt: object) -> None:
    """Up to version 2 the words in square brackets are the negative prompt."""
    if not isinstance(prompt, str):
        return reading.tell("prompt", prompt)
    _prompt(reading, re.sub(r"\[[^\[\]]*\]", "", prompt).strip(), "prompt", "prompt")
    _prompt(reading, ", ".join(re.findall(r"\[([^\[\]]*)\]", prompt)), "prompt", "negative")


_DREAM = re.compile(r'\s*"((?:\\.|[^"\\])*)"(.*)', re.DOTALL)
_OPTION = re.compile(r"(?:^|\s)(-[A-Za-z]|--[a-z_]{2,30})\s{0,4}=?([^\s-]\S{0,200})?")
_DREAM_KEYS = {
    "-s": "steps", "-S": "seed", "-W": "width", "-H": "height", "-C": "cfg_scale", "-A": "sampler",
    "-f": "strength", "--steps": "steps", "--seed": "seed", "--width": "width", "--height": "height",
    "--cfg_scale": "cfg_scale", "--sampler": "sampler",
}  # fmt: skip
_DREAM_SILENT = ("-n", "-b", "-o", "-g")  # how many and where to


def _from_dream(text: str) -> Reading:
    found = _DREAM.match(text[:20_000])
    if found is None:
        raise NotUnderstood("its Dream text is no command.")
    reading = Reading(NAME)
    _old_prompt(reading, found[1].replace('\\"', '"'))
    for option, value in _OPTION.findall(found[2]):
        if option in _DREAM_KEYS:
            word, convert = _OLD_KEYS[_DREAM_KEYS[option]]
            reading.take(word, convert(value), option, value)
        elif option not in _DREAM_SILENT:
            reading.tell(option, value or "on")
    return reading.done()
