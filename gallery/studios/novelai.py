"""NovelAI: the PNG's ``Comment`` is JSON, its ``Software`` NovelAI (https://docs.novelai.net/image/).

What is hidden in a picture's transparency is not looked for.
"""

from collections.abc import Mapping
from typing import Any

from gallery.studios import syntax
from gallery.studios.reading import Reading, is_off, json_object, named, number, take_all, whole

NAME = "NovelAI"

SAMPLERS = {
    "euler": "k_euler",
    "euler-a": "k_euler_ancestral",
    "heun": "k_heun",
    "lms": "k_lms",
    "dpm-2": "k_dpm_2",
    "dpm-2-a": "k_dpm_2_ancestral",
    "dpmpp-2s-a": "k_dpmpp_2s_ancestral",
    "dpmpp-2m": "k_dpmpp_2m",
    "dpmpp-2m-sde": "k_dpmpp_2m_sde",
    "dpmpp-sde": "k_dpmpp_sde",
    "pndm": "plms",
    "ddim": "ddim",
}
SCHEDULES = {
    "model": "native",
    "karras": "karras",
    "exponential": "exponential",
    "polyexponential": "polyexponential",
}
_KEYS = {
    "steps": ("steps", whole),
    "width": ("width", whole),
    "height": ("height", whole),
    "scale": ("guidance", number),
    "cfg_rescale": ("rescale", number),
    "seed": ("seed", whole),
    "sampler": ("sampler", named(SAMPLERS, {"ddim_v3": "ddim"})),
    "noise_schedule": ("schedule", named(SCHEDULES)),
    "strength": ("denoise", number),
}
# n_samples: each has its own seed. The dynamic ones count only where dynamic_thresholding is on.
_SILENT = frozenset({
    "prompt", "uc", "v4_prompt", "v4_negative_prompt", "request_type", "signed_hash", "n_samples",
    "version", "hide_debug_overlay", "dynamic_thresholding_percentile",
    "dynamic_thresholding_mimic_scale", "noise", "lora_unet_weights", "lora_clip_weights",
    "reference_information_extracted_multiple", "extra_noise_seed",
})  # fmt: skip
_NEUTRAL = {
    "uncond_scale": (0, 1), "controlnet_strength": (1,), "skip_cfg_below_sigma": (0,),
    "explike_fine_detail": (0,), "minimize_sigma_inf": (0,), "uncond_per_vibe": (True,),
    "wonky_vibe_correlation": (True,), "deliberate_euler_ancestral_bug": (0,), "prefer_brownian":
    (True,),
}  # fmt: skip


def read(texts: Mapping[str, str]) -> Reading | None:
    if not texts.get("Software", "").startswith("NovelAI") or "Comment" not in texts:
        return None
    given = json_object(texts["Comment"], "NovelAI text")
    reading = Reading(NAME)
    for key, word, newer in (("prompt", "prompt", "v4_prompt"), ("uc", "negative", "v4_negative_prompt")):
        value = given.get(key, texts.get("Description", "") if key == "prompt" else "")
        if isinstance(value, str):
            reading.values[word] = syntax.curly(value)
        else:
            reading.tell(key, value)
        _characters(reading, given.get(newer), newer)
    others = {key: value for key, value in given.items() if value not in _NEUTRAL.get(key, ())}
    take_all(reading, others, _KEYS, _SILENT)
    if not is_off(texts.get("Source")):
        reading.tell("Source", texts["Source"])
    return reading


def _characters(reading: Reading, given: Any, key: str) -> None:
    """Version 4 has a prompt for each character besides."""
    caption = given.get("caption") if isinstance(given, dict) else None
    listed = caption.get("char_captions") if isinstance(caption, dict) else None
    for one in (listed if isinstance(listed, list) else [])[:8]:
        words = one.get("char_caption") if isinstance(one, dict) else one
        if words:
            reading.tell(f"{key} of a character", words)
