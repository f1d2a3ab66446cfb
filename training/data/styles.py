"""Rendering styles: filters from a plain RGB scene to the same scene as if drawn another way.

Each takes and returns a (H, W, 3) uint8 array and the random generator that decides its grain.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

Array = np.ndarray


def pixel_art(scene: Array, rng: np.random.Generator) -> Array:
    """Large square pixels in few colours."""
    height, width, _ = scene.shape
    small = Image.fromarray(scene).resize((width // 4, height // 4), Image.Resampling.BOX)
    few = small.quantize(20, dither=Image.Dither.NONE).convert("RGB")
    return np.asarray(few.resize((width, height), Image.Resampling.NEAREST))


def pencil_sketch(scene: Array, rng: np.random.Generator) -> Array:
    """Graphite on paper: grey / (255 - blurred inverse), the dodge of darkroom work, with paper grain."""
    grey = Image.fromarray(scene).convert("L")
    tone = np.asarray(grey, np.float32)
    blurred = np.asarray(grey.filter(ImageFilter.GaussianBlur(4)), np.float32)
    lines = np.clip(tone / np.maximum(blurred, 1), 0, 1) ** 3
    shade = 0.62 + 0.38 * tone / 255
    paper = (lines * shade)[..., None] * np.array([252, 248, 238], np.float32)
    return np.clip(paper, 0, 255).astype(np.uint8)


def neon(scene: Array, rng: np.random.Generator) -> Array:
    """Glowing coloured outlines on near-black."""
    image = Image.fromarray(scene)
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(0.8)), np.float32)
    dx = np.abs(np.diff(pixels, axis=1, append=pixels[:, -1:])).max(2)
    dy = np.abs(np.diff(pixels, axis=0, append=pixels[-1:])).max(2)
    edge = np.clip((dx + dy) / 60, 0, 1)
    peak = pixels / np.maximum(pixels.max(2, keepdims=True), 1)
    hue = np.clip(peak**2 * 1.1 + 0.12, 0, 1)
    line = edge[..., None] * hue * 255
    glow = np.asarray(Image.fromarray(line.astype(np.uint8)).filter(ImageFilter.GaussianBlur(3)), np.float32)
    return np.clip(np.array([10, 8, 24], np.float32) + line + 1.3 * glow, 0, 255).astype(np.uint8)


def watercolour(scene: Array, rng: np.random.Generator) -> Array:
    """Flat pale washes with soft darker rims."""
    image = Image.fromarray(scene)
    wash = np.asarray(image.filter(ImageFilter.ModeFilter(5)).filter(ImageFilter.GaussianBlur(1)), np.float32)
    rims = np.asarray(
        image.convert("L").filter(ImageFilter.FIND_EDGES).filter(ImageFilter.GaussianBlur(1)), np.float32
    )
    pale = 255 - (255 - wash) * 0.72
    return np.clip(pale - rims[..., None] * 0.35, 0, 255).astype(np.uint8)


STYLE_FILTERS: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "pixel art": pixel_art,
    "pencil sketch": pencil_sketch,
    "neon": neon,
    "watercolour": watercolour,
}
COLOURLESS = frozenset(
    {"pencil sketch", "neon"}
)  # styles in which the asked background colour does not survive
