"""What a model folder says of itself without its weights. Knows no recipe's fields."""

import json
from pathlib import Path
from typing import Any


def read_defaults(folder: Path) -> tuple[tuple[int, int], dict[str, Any]]:
    """(width, height) in pixels, and the recipe fields good for the model of ``folder`` (diffusers' layout).

    From its ``atelier.json``; without one, the size is the U-Net's times the VAE's scale, and all there is to
    say. Raises ``OSError``, or ``ValueError``, ``KeyError`` or ``TypeError`` where the files do not say it.
    """
    extra = read_extra(folder)
    if "native_size" in extra:
        width, height = extra["native_size"]
    else:
        blocks = read_json(folder / "vae" / "config.json")["block_out_channels"]
        width = height = read_json(folder / "unet" / "config.json")["sample_size"] * 2 ** (len(blocks) - 1)
    return (width, height), {"width": width, "height": height} | dict(extra.get("defaults", {}))


def read_converged(folder: Path) -> tuple[float, dict[str, int]]:
    """(distance, steps of each sampler): the fewest steps whose latents, of unit variance, are measured to be
    that near to those of very many. No samplers where ``atelier.json`` does not say it."""
    try:
        told = read_extra(folder)["converged"]
        return float(told["distance"]), {str(name): int(steps) for name, steps in told["steps"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0.0, {}


def read_extra(folder: Path) -> dict[str, Any]:
    """What ``atelier.json`` of a model's folder says; nothing where there is none."""
    file = folder / "atelier.json"
    return read_json(file) if file.exists() else {}


def read_json(file: Path) -> dict[str, Any]:
    """The object in ``file``. Raises ``OSError`` or ``ValueError``."""
    values = json.loads(file.read_text("utf-8"))
    if not isinstance(values, dict):
        raise ValueError(f"File {str(file)!r} holds no JSON object.")
    return values
