"""Single glyphs on plain backgrounds, 32 x 32 pixels: what they show and on what is known exactly.

Picture number i of a seed is a pure function of both. Knows no networks.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from training.data.glyphs import sized
from training.data.pictures import Pictures, pictures
from training.data.vocabulary import COLOURS

SIDE = 32
TRAIN, TEST = 6000, 1200
SIZES = (20, 29)  # of the glyph's side, in pixels; the second is not reached
KINDS = {
    "panda": "🐼", "frog": "🐸", "penguin": "🐧", "octopus": "🐙", "red apple": "🍎", "banana": "🍌",
    "pizza": "🍕", "cactus": "🌵", "blue car": "🚙", "sailboat": "⛵", "house": "🏠", "star": "⭐",
}  # fmt: skip
BACKGROUNDS = ("orange", "green", "blue", "purple", "black", "white")


def glyph_picture(index: int, seed: int) -> tuple[np.ndarray, int, int]:
    """((32, 32, 3) uint8, number of its kind, number of its background)."""
    chance = np.random.Generator(np.random.Philox(key=[seed, index]))
    kind, ground = int(chance.integers(len(KINDS))), int(chance.integers(len(BACKGROUNDS)))
    side = int(chance.integers(*SIZES))
    left, top = (int(corner) for corner in chance.integers(SIDE - side + 1, size=2))
    canvas = Image.new("RGB", (SIDE, SIDE), COLOURS[BACKGROUNDS[ground]])
    glyph = sized(tuple(KINDS.values())[kind], side)
    canvas.paste(glyph, (left, top), glyph)
    return np.asarray(canvas), kind, ground


def glyph_pictures(train: int = TRAIN, test: int = TEST, seed: int = 0) -> Pictures:
    """Three channels, a class for each kind. Raises ``FileNotFoundError`` where the font is missing."""
    made = [glyph_picture(index, seed) for index in range(train + test)]
    pixels = torch.from_numpy(np.stack([picture for picture, _, _ in made])).permute(0, 3, 1, 2).contiguous()
    labels = torch.tensor([kind for _, kind, _ in made])
    return pictures("glyphs", tuple(KINDS), pixels, labels, test)


def grounds(count: int, seed: int = 0) -> Tensor:
    """(count,) int64: which of ``BACKGROUNDS`` picture 0, 1 ... of ``seed`` stands on; the held-out ones
    come after the others."""
    return torch.tensor([glyph_picture(index, seed)[2] for index in range(count)])
