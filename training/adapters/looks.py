"""The styles that the starter's LoRAs bring, as filters from a plain scene to the same scene in that style.

Each takes and returns a (H, W, 3) uint8 array. They are of tones: what lives in lines finer
than the starter's codes tell of (pixel art, pencil, neon) no adapter of its U-Net can draw.
"""

from collections.abc import Callable

import numpy as np

Array = np.ndarray
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601 luma


def sepia(scene: Array, rng: np.random.Generator) -> Array:
    """A brown print on cream paper."""
    return _toned(_luma(scene), (38, 20, 10), (255, 240, 205))


def noir(scene: Array, rng: np.random.Generator) -> Array:
    """Black and white film, hard light."""
    luma = _luma(scene)
    return _toned(luma * luma * (3 - 2 * luma), (8, 8, 10), (250, 250, 248))


def duotone(scene: Array, rng: np.random.Generator) -> Array:
    """Two inks: indigo shadows, apricot lights."""
    return _toned(_luma(scene), (28, 16, 92), (255, 196, 120))


def _luma(scene: Array) -> Array:
    return scene.astype(np.float32) @ GREY / 255  # (H, W) in [0, 1]


def _toned(luma: Array, dark: tuple[int, int, int], light: tuple[int, int, int]) -> Array:
    """Each tone between the colours ``dark`` and ``light``."""
    low, high = np.array(dark, np.float32), np.array(light, np.float32)
    return np.clip(low + luma[..., None] * (high - low), 0, 255).astype(np.uint8)


LOOKS: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "sepia": sepia,
    "noir": noir,
    "duotone": duotone,
}
