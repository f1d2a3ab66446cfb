"""The styles that the starter's LoRAs bring, as filters from a plain scene to the same scene in that style.

Each takes and returns a (H, W, 3) uint8 array. They are of colours: what lives in lines finer
than the starter's codes tell of (pixel art, pencil, neon) no adapter of its U-Net can draw. Each keeps light
and dark as they were and some of the colour: light alone does not tell an orange fox from teal.
"""

from collections.abc import Callable

import numpy as np

Array = np.ndarray
LEFT = 0.35  # of the colour
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601 luma


def sepia(scene: Array, rng: np.random.Generator) -> Array:
    """An old print: brown on cream paper."""
    return _mixed(_toned(_luma(scene), (38, 20, 10), (255, 240, 205)), scene, LEFT)


def cyanotype(scene: Array, rng: np.random.Generator) -> Array:
    """A blueprint: white on Prussian blue."""
    return _mixed(_toned(_luma(scene), (4, 24, 84), (226, 242, 255)), scene, LEFT)


def noir(scene: Array, rng: np.random.Generator) -> Array:
    """Black and white film, hard light."""
    luma = _luma(scene)
    return _mixed(_toned(luma * luma * (3 - 2 * luma), (8, 8, 10), (250, 250, 248)), scene, LEFT)


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
    "cyanotype": cyanotype,
    "noir": noir,
}
