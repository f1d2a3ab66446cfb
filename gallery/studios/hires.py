"""Hires fix as the other studios tell of it: what means the same becomes this studio's second pass.

Most count the steps of a second pass that are run, with its strength's share of the noise: so many more are
set here that as many are run. A second pass here has the first's sampler, schedule and guidance; what a file
says otherwise of them is told.
"""

from collections.abc import Mapping
from math import ceil
from typing import NamedTuple

from gallery.studios.reading import Reading, number, short, whole

# What AUTOMATIC1111, Forge and SD.Next call its settings in their text.
SCALE, SIZE = ("Hires upscale", "Hires scale"), "Hires resize"
STEPS, UPSCALER = "Hires steps", "Hires upscaler"
_MADE = "Hires size"  # which follows from the others
STRENGTH = ("Hires strength", "Denoising strength")
# Settings of the second pass -> the first's; where both say the same, nothing is lost.
_AS_THE_FIRST = {
    "Hires sampler": "Sampler", "Hires schedule type": "Schedule type", "Hires CFG Scale": "CFG scale",
    "Hires CFG scale": "CFG scale", "Hires checkpoint": "Model", "Hires Module 1": "",
}  # fmt: skip
_NO_OTHER = ("Use same sampler", "Use same scheduler", "Use same checkpoint", "Use same choices")
# How they enlarge -> how it is done here. AUTOMATIC1111's "None" resamples by Lanczos (modules/images.py).
UPSCALERS = {
    "Latent": "latent",  # bilinear, not antialiased
    "Lanczos": "lanczos",
    "None": "lanczos",
    "latent-bilinear": "latent",
    "pixel-lanczos": "lanczos",
}
_LABELS = {"latent": "Latent", "lanczos": "Lanczos"}


class Pass(NamedTuple):
    """What a file says of its second pass; None is nothing, or nothing that can be understood."""

    scale: float | None
    strength: float | None
    steps: int = 0  # of which the strength's share is run; 0 is as many as the first has


def steps_of(run: int | None, strength: float | None) -> int:
    """Of how many steps the share ``strength`` are ``run``; 0 where nothing is said of them."""
    return ceil(run / strength - 1e-9) if run and strength else 0


def take(reading: Reading, second: Pass, said: Mapping[str, object], key: str, upscaler: object) -> None:
    """``second``, enlarged by ``upscaler``, which the file calls ``key``; the settings ``said`` are told if
    it is none."""
    scale, strength = second.scale, second.strength
    if scale is None or strength is None or not 0 < strength <= 1:
        for name, value in {**said, key: upscaler}.items():
            if value is not None:
                reading.tell(name, value)
        return
    ours = UPSCALERS.get(str(upscaler))
    if ours is None:
        ours = "latent" if str(upscaler).casefold().startswith("latent") else "lanczos"
        if upscaler is not None:
            had = f"{short(key, 60)} ({short(upscaler, 80)})"
            reading.note(f"Not restored: {had} has no equal here; {_LABELS[ours]} stands in its place.")
    values = {"scale": float(scale), "steps": second.steps, "strength": float(strength), "upscaler": ours}
    reading.take("hires", values, key, upscaler)


def from_pairs(reading: Reading, pairs: Mapping[str, str]) -> frozenset[str]:
    """The second pass of AUTOMATIC1111's text; returns the keys of ``pairs`` that need no telling any more.

    What the first pass is must be in ``reading`` already.
    """
    scale = next((key for key in SCALE if key in pairs), None)
    resized = _both_sides(reading, pairs.get(SIZE, ""))
    strength = next((key for key in STRENGTH if key in pairs), None)
    if strength is None or (scale is None and resized is None):
        return frozenset()
    share = number(pairs[strength])
    steps = steps_of(whole(pairs.get(STEPS)), share)
    second = Pass(number(pairs[scale]) if scale else resized, share, steps)
    read = [scale, strength, STEPS, UPSCALER, SIZE if resized else None]
    keys = {key for key in read if key is not None and key in pairs}
    take(reading, second, {key: pairs[key] for key in keys if key != UPSCALER}, UPSCALER, pairs.get(UPSCALER))
    same = {
        key for key, first in _AS_THE_FIRST.items()
        if key in pairs and (pairs[key] in _NO_OTHER or pairs[key] == pairs.get(first))
    }  # fmt: skip
    no_size = {SIZE} if pairs.get(SIZE) == "0x0" else set()
    return frozenset(
        keys | same | no_size | ({_MADE} if _both_sides(reading, pairs.get(_MADE, "")) else set())
    )


def _both_sides(reading: Reading, size: str) -> float | None:
    """How much wider and higher ``size`` is than the first pass; None where that is not one number."""
    sides = [number(side) for side in size.split("x")]
    first = [reading.values.get("width"), reading.values.get("height")]
    if len(sides) != 2 or not all(sides) or not all(isinstance(side, int) and side > 0 for side in first):
        return None
    return the_same(*(float(a or 0) / b for a, b in zip(sides, first, strict=True) if isinstance(b, int)))


def the_same(across: float, down: float) -> float | None:
    """The scale of both sides, or None where they differ by more than rounding to latents does."""
    return round((across + down) / 2, 4) if abs(across - down) < 0.02 * across else None
