"""The styles that the starter's LoRAs bring, as filters from a plain scene to the same scene in that style.

Each takes and returns a (H, W, 3) uint8 array. They are of colours: what lives in lines finer
than the starter's codes tell of (pixel art, pencil, neon) no adapter of its U-Net can draw. Each leaves every
colour apart from every other: light alone does not tell an orange fox from teal.
"""

from collections.abc import Callable

import numpy as np

Array = np.ndarray
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601 luma


def sepia(scene: Array, rng: np.random.Generator) -> Array:
    """An old hand-tinted print: brown on cream paper, a third of the colour left."""
    return _mixed(_toned(_luma(scene), (38, 20, 10), (255, 240, 205)), scene, 0.35)


def dusk(scene: Array, rng: np.random.Generator) -> Array:
    """After sunset: every colour half way to a dark blue."""
    return _mixed(np.full_like(scene, (14, 20, 74)), scene, 0.5)


def pastel(scene: Array, rng: np.random.Generator) -> Array:
    """Chalk on pale paper: every colour half way to a warm white."""
    return _mixed(np.full_like(scene, (255, 246, 238)), scene, 0.45)


def _mixed(toned: Array, scene: Array, share: float) -> Array:
    """``toned``, with a ``share`` of the scene as it was."""
    return ((1 - share) * toned + share * scene).astype(np.uint8)


def _luma(scene: Array) -> Array:
    return scene.astype(np.float32) @ GREY / 255  # (H, W) in [0, 1]


def _toned(luma: Array, dark: tuple[int, int, int], light: tuple[int, int, int]) -> Array:
    """Each tone between the colours ``dark`` and ``light``."""
    low, high = np.array(dark, np.float32), np.array(light, np.float32)
    return np.clip(low + luma[..., None] * (high - low), 0, 255).astype(np.uint8)


LOOKS: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "sepia": sepia,
    "pastel": pastel,
    "dusk": dusk,
}
