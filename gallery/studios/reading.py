"""What was read from another studio's file: values for a recipe, and a line for all that was not understood.

The texts are hostile until parsed: sizes and depths have limits here, a number is only taken where it is one,
and a name that a file gives is only ever a name: nothing is opened by it.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

MAX_TEXT = 1_000_000  # characters; the graphs of large ComfyUI workflows are a few hundred thousand
MOST_TOLD = 60  # lines of what was not understood
MOST_LORAS, MOST_STRENGTH = 64, 100.0

# The words that the studios' tables translate into, and the field of a recipe that means the same. A word
# that has none (None) is shown as not understood; once a recipe has such a field, its name belongs here.
FIELDS: dict[str, str | None] = {
    "prompt": "prompt",
    "negative": "negative",
    "model": "model",
    "vae": "vae",
    "clip_skip": "clip_skip",
    "sampler": "sampler",
    "schedule": "schedule",
    "sigmas": "sigmas",
    "steps": "steps",
    "guidance": "guidance",
    "guidance_rule": "guidance_rule",
    "guidance_low": "guidance_low",
    "guidance_high": "guidance_high",
    "perturbation": "perturbation",
    "rescale": "rescale",
    "eta": "eta",
    "width": "width",
    "height": "height",
    "seed": "seed",
    "hires": "hires",
    "denoise": None,  # the share of the noise that an image-to-image pass begins with
    "edit": None,  # other settings of such a pass
}
NO_EQUAL = "has no equal here"
_OF_EDIT = "is of an edit, and the picture it was drawn over is not in the file"
WHY: dict[str, str] = {"denoise": _OF_EDIT, "edit": _OF_EDIT}  # words that have no field
_MEANS_MORE = re.compile(r"[<>:#\n{}|\\]|__.*__")  # in a prompt, than a part of a name
_ENDING = re.compile(r"\.(safetensors|sft|ckpt|gguf|pt|pth|bin)$", re.IGNORECASE)
_WHOLE, _NUMBER = (
    re.compile(r"[+-]?\d{1,20}"),
    re.compile(r"[+-]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})(e[+-]?\d{1,2})?"),
)


class NotUnderstood(ValueError):
    """A studio's settings are there, and nothing can be made of them. The message is a sentence."""


class Reading:
    """Collects what a file of ``studio`` says: ``take`` what means the same here, ``tell`` the rest."""

    def __init__(self, studio: str) -> None:
        self.studio = studio
        self.values: dict[str, Any] = {}
        self._notes: dict[str, None] = {}  # each once, in order
        self._loras: dict[str, None] = {}

    def take(self, word: str, value: object, key: str, given: object) -> None:
        """``given``, which the file calls ``key``, means ``value`` here; None means nothing."""
        field = FIELDS[word]
        if field is None or value is None:
            self.tell(key, given, WHY.get(word, NO_EQUAL))
        else:
            self.values[field] = value

    def tell(self, key: str, given: object, why: str = NO_EQUAL) -> None:
        """Show a setting that is not taken over."""
        self.note(f"Not restored: {short(key, 60)} ({short(given, 80)}) {why}.")

    def note(self, line: str) -> None:
        self._notes[line] = None

    def lora(self, name: object, weight: object, key: str = "LoRA") -> None:
        """A LoRA, to be written into the prompt as prompts here name them; weight 0 draws without it."""
        called, strength = model_name(name), number(weight)
        sayable = called is not None and strength is not None and abs(strength) <= MOST_STRENGTH
        if not sayable or _MEANS_MORE.search(called or "") or len(self._loras) >= MOST_LORAS:
            self.tell(key, f"{name} {weight}")
        elif strength:
            self._loras[f"<lora:{called}:{f'{strength:.4f}'.rstrip('0').rstrip('.')}>"] = None

    @property
    def notes(self) -> tuple[str, ...]:
        lines = tuple(self._notes)
        more = len(lines) - MOST_TOLD
        return lines if more <= 0 else (*lines[:MOST_TOLD], f"Not restored: {more} more settings.")

    def done(self) -> "Reading":
        """With the LoRAs in the prompt, once."""
        prompt = self.values.get("prompt", "")
        if missing := [lora for lora in self._loras if lora not in prompt]:
            self.values["prompt"] = " ".join([prompt, *missing]).strip()
        self._loras.clear()
        return self


Convert: TypeAlias = Callable[[object], object]
Keys: TypeAlias = Mapping[str, tuple[str, Convert]]


def take_all(reading: Reading, given: Mapping[str, Any], keys: Keys, silent: frozenset[str]) -> None:
    """Each setting of ``given`` by ``keys`` (theirs -> word, how it is read); empty ones and ``silent`` are
    passed over, the others are told."""
    for key, value in given.items():
        if key in keys and value is not None:
            word, convert = keys[key]
            reading.take(word, convert(value), key, value)
        elif key not in silent and not is_off(value):
            reading.tell(key, value)


def is_off(value: object) -> bool:
    """Whether a setting says that nothing is done."""
    return value is None or value is False or value in ("", "None", "none") or value in ([], {})


def json_object(text: str, what: str) -> dict[str, Any]:
    """Raises NotUnderstood; ``what`` names the text in its sentence."""
    if len(text) > MAX_TEXT:
        raise NotUnderstood(f"its {what} is {len(text)} characters; at most {MAX_TEXT} are read.")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise NotUnderstood(f"its {what} is not JSON.") from None
    if not isinstance(values, dict):
        raise NotUnderstood(f"its {what} is JSON, but not of settings.")
    return values


def whole(value: object) -> int | None:
    """A whole number, or the text of one; else None."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number(value: object) -> float | None:
    """A finite number, or the text of one; else None."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value.strip()) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e30 else None  # nor is it a NaN


def text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def model_name(value: object) -> str | None:
    """The name of a model as this studio has them: folders with ``/``, without the file's ending."""
    name = _ENDING.sub("", value.strip().replace("\\", "/")) if isinstance(value, str) else ""
    return name or None


def named(table: Mapping[str, str], aliases: Mapping[str, str] = {}) -> Convert:
    """Reads a name of theirs: by ``table`` (ours -> theirs) backwards, or by ``aliases`` (theirs -> ours)."""
    ours = {theirs.casefold(): name for name, theirs in table.items()}
    ours |= {theirs.casefold(): name for theirs, name in aliases.items()}
    return lambda value: ours.get(value.strip().casefold()) if isinstance(value, str) else None


def short(value: object, most: int) -> str:
    """``value`` as a line may show it."""
    if isinstance(value, dict | list):
        value = f"{len(value)} entries" if len(value) > 8 or nested(value) else json.dumps(value)
    line = " ".join(str(value)[: 4 * most].split()) if not isinstance(value, int) else _digits(value)
    return line if len(line) <= most else line[: most - 1] + "…"


def nested(value: dict[Any, Any] | list[Any]) -> bool:
    """Whether it holds more than plain values."""
    inner = value.values() if isinstance(value, dict) else value
    return any(isinstance(each, dict | list) for each in inner)


def _digits(value: int) -> str:
    return str(value) if value.bit_length() < 200 else "a number of more than 60 digits"
