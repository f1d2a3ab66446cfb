"""AUTOMATIC1111's ``parameters`` text, written and read: the field's common tongue for settings.

The prompt, a line that starts ``Negative prompt:``, and a last line ``Steps: 20, Sampler: Euler a, ...``.
Fields that mean the same here are translated; the others are told. A prompt that itself looks like such a
line cannot survive this format; the ``atelier`` JSON beside it can.
"""

import json
import re
from typing import Any

from pipelines.recipe import BALANCES, Control, Recipe, Reference

# The names that web UI uses. A sampler or schedule without one is written under its own name.
SAMPLER_NAMES = {
    "ddpm": "DDPM",
    "ddim": "DDIM",
    "euler": "Euler",
    "euler-a": "Euler a",
    "heun": "Heun",
    "dpmpp-2m": "DPM++ 2M",
    "dpmpp-2m-sde": "DPM++ 2M SDE",
    "dpmpp-2m-sde-heun": "DPM++ 2M SDE Heun",
    "dpmpp-3m-sde": "DPM++ 3M SDE",
    "dpmpp-sde": "DPM++ SDE",
    "dpmpp-2s-a": "DPM++ 2S a",
    "dpm-2": "DPM2",
    "dpm-2-a": "DPM2 a",
    "lms": "LMS",
    "unipc-3": "UniPC",
    "pndm": "PLMS",
    "dpm-adaptive": "DPM adaptive",
    "restart": "Restart",
    "lcm": "LCM",
}
SCHEDULE_NAMES = {
    "model": "Uniform",
    "karras": "Karras",
    "exponential": "Exponential",
    "sgm-uniform": "SGM Uniform",
    "simple": "Simple",
    "beta": "Beta timesteps",  # their "Beta" is the one over sigmas
    "beta-sigma": "Beta",
    "kl-optimal-a1111": "KL Optimal",  # ComfyUI's, "kl-optimal", has another last step
    "polyexponential": "Polyexponential",
}

RESIZE_NAMES = {"stretch": "Just Resize", "crop": "Crop and Resize", "fit": "Resize and Fill"}
_NUMBERS: dict[str, tuple[str, type[int] | type[float]]] = {
    "Steps": ("steps", int),
    "CFG scale": ("guidance", float),
    "Seed": ("seed", int),
    "Clip skip": ("clip_skip", int),
    "Guidance rescale": ("rescale", float),
    "Perturbation": ("perturbation", float),
    "Guidance low sigma": ("guidance_low", float),
    "Guidance high sigma": ("guidance_high", float),
    "Eta": ("eta", float),
}
_TEXTS = {
    "Model": "model",
    "Guidance rule": "guidance_rule",
    "Custom sigmas": "sigmas",
    "Step noise": "noise",
}
_OWN_VAE = ("Automatic", "None")
_NEGATIVE = "Negative prompt:"
_SILENT = {"Version", "Model hash"}  # they decide nothing
# Keys are bounded so that no text, however made, takes quadratic time.
_PAIR = re.compile(r'(\w[\w \-/]{0,40}):\s{0,4}("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


def write(recipe: Recipe) -> str:
    """The parameters text of one picture's recipe, its choices made: other tools know no seeds of theirs."""
    prompt, negative = recipe.words or (recipe.prompt, recipe.negative)
    pairs = _settings(recipe) if recipe.known else []
    if recipe.upscale is not None:  # as that web UI's Extras write it
        upscaler = recipe.upscale.upscaler
        pairs += [
            ("Postprocess upscale by", f"{recipe.upscale.scale:g}"),
            ("Postprocess upscaler", "Lanczos" if upscaler == "lanczos" else upscaler),
        ]
    pairs.append(("Version", "Atelier"))
    lines = [prompt]
    if negative:
        lines.append(f"{_NEGATIVE} {negative}")
    lines.append(", ".join(f"{key}: {_quote(str(value))}" for key, value in pairs))
    return "\n".join(lines)


def _settings(recipe: Recipe) -> list[tuple[str, object]]:
    """What it was drawn with."""
    pairs: list[tuple[str, object]] = [
        ("Steps", recipe.steps),
        ("Sampler", SAMPLER_NAMES.get(recipe.sampler, recipe.sampler)),
        ("Schedule type", SCHEDULE_NAMES.get(recipe.schedule, recipe.schedule)),
        ("CFG scale", f"{recipe.guidance:g}"),
        ("Seed", recipe.seed),
        ("Size", f"{recipe.width}x{recipe.height}"),
        ("Model", recipe.model),
    ]
    if recipe.clip_skip != 1:
        pairs.append(("Clip skip", recipe.clip_skip))
    if recipe.vae:
        pairs.append(("VAE", recipe.vae))
    if recipe.rescale:
        pairs.append(("Guidance rescale", f"{recipe.rescale:g}"))
    if recipe.guidance_rule != "cfg":
        pairs.append(("Guidance rule", recipe.guidance_rule))
    if recipe.perturbation != Recipe.model_fields["perturbation"].default:
        pairs.append(("Perturbation", f"{recipe.perturbation:g}"))
    if recipe.sigmas:
        pairs.append(("Custom sigmas", recipe.sigmas))
    if recipe.noise != "fresh":
        pairs.append(("Step noise", recipe.noise))
    for key in ("Guidance low sigma", "Guidance high sigma", "Eta"):
        value = getattr(recipe, _NUMBERS[key][0])
        if value is not None:
            pairs.append((key, repr(value)))
    units = [*map(_control, recipe.controls), *map(_reference, recipe.references)]
    return pairs + [(f"ControlNet {k}", unit) for k, unit in enumerate(units)]


def _control(control: Control) -> str:
    """As the ControlNet extension writes it; the picture is what a preprocessor made."""
    return _unit(control, "none", control.net, RESIZE_NAMES[control.resize], BALANCES[control.balance].label)


def _reference(reference: Reference) -> str:
    """To that extension, an IP-Adapter is a unit too."""
    return _unit(reference, "ip-adapter-auto", reference.adapter, "Just Resize", "Balanced")


def _unit(one: Control | Reference, module: str, model: str, resize: str, mode: str) -> str:
    """The picture is named by ours alone."""
    values = {
        "Module": module,
        "Model": model,
        "Weight": f"{one.weight:g}",
        "Resize Mode": resize,
        "Guidance Start": f"{one.start:g}",
        "Guidance End": f"{one.end:g}",
        "Control Mode": mode,
        "Picture": one.picture,
    }
    return ", ".join(f"{key}: {value}" for key, value in values.items())


def read(text: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(values for a Recipe, notes on what has no equal here) of a parameters text. Checks no bounds."""
    prompt, negative, pairs = parse(text)
    values: dict[str, Any] = {"prompt": prompt, "negative": negative}
    notes: list[str] = []
    for key, raw in pairs:
        found = value(key, raw)
        if found is None:
            notes.append(f"Not restored: {key} ({raw[:80]}) has no equal here.")
        else:
            values.update(found)
    return values, tuple(notes)


def parse(text: str) -> tuple[str, str, list[tuple[str, str]]]:
    """(prompt, negative prompt, the pairs of the last line) of a parameters text, of whichever studio."""
    *lines, last = text.strip().replace("\r\n", "\n").split("\n")
    pairs = _PAIR.findall(last)
    if len(pairs) < 3:
        lines, pairs = [*lines, last], []
    return *_split_prompts(lines), [(key.strip(), _unquote(raw.strip())) for key, raw in pairs]


def value(key: str, text: str) -> dict[str, Any] | None:
    """What one pair says in a Recipe's fields; None where it has no equal."""
    if key in _NUMBERS:
        field, kind = _NUMBERS[key]
        try:
            return {field: kind(text)}
        except ValueError:
            return None
    if key == "VAE":
        return {"vae": "" if text in _OWN_VAE else text.removesuffix(".safetensors")}
    if key == "Size":
        size = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text)
        return {"width": int(size[1]), "height": int(size[2])} if size else None
    if key == "Sampler":
        return _sampler(text)
    if key == "Schedule type":
        name = _named(SCHEDULE_NAMES, text)
        return {"schedule": name} if name else None
    if key in _TEXTS:
        return {_TEXTS[key]: text}
    return {} if key in _SILENT else None


def _sampler(text: str) -> dict[str, Any] | None:
    """Older files say sampler and schedule in one name: "DPM++ 2M Karras"."""
    for schedule in ("karras", "exponential"):
        plain = text.removesuffix(" " + SCHEDULE_NAMES[schedule])
        if plain != text and (name := _named(SAMPLER_NAMES, plain)):
            return {"sampler": name, "schedule": schedule}
    name = _named(SAMPLER_NAMES, text)
    return {"sampler": name} if name else None


def _named(names: dict[str, str], text: str) -> str | None:
    for ours, theirs in names.items():
        if text.casefold() == theirs.casefold():
            return ours
    # Our own sampler without a name over there, written by ``write``; Recipe checks that it exists.
    return text if re.fullmatch(r"[a-z0-9-]+", text) else None


def _split_prompts(lines: list[str]) -> tuple[str, str]:
    for k, line in enumerate(lines):
        if line.startswith(_NEGATIVE):
            negative = "\n".join([line.removeprefix(_NEGATIVE).removeprefix(" "), *lines[k + 1 :]])
            return "\n".join(lines[:k]), negative
    return "\n".join(lines), ""


def _quote(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:\n"]', value) else value


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value
