"""What adapters learn from: scenes in one style, and scenes beside the map that a ControlNet is to follow.

Knows no networks.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from rich.progress import track
from torch import Tensor

from adapters import preprocess
from training.adapters.looks import LOOKS
from training.data.glyphs import sized
from training.data.scenes import SIDE, Scene, caption, describe, render
from training.data.vocabulary import THINGS
from training.starter.codes import codes, to_tensor

ORDER = ((230, 60, 60), (60, 200, 80), (70, 110, 240))  # the colours of first, second and third object


@dataclass(frozen=True)
class Example:
    """A scene, its picture, what is said of it, and the map of it (uint8, (128, 128, 3) each)."""

    scene: Scene
    picture: np.ndarray
    text: str
    map: np.ndarray | None = None


def in_style(style: str | None, count: int, seed: int) -> Iterator[Example]:
    """Scenes in ``style``, a key of LOOKS, which their words do not name: the adapter is to bring it. None:
    plain ones."""
    for k in range(count):
        rng = np.random.default_rng((seed, 11, k))
        scene = replace(describe(rng), style=None)
        text = caption(scene, rng)
        plain = render(scene, rng)
        yield Example(scene, LOOKS[style](plain, rng) if style else plain, text)


def with_maps(kind: str, count: int, seed: int) -> Iterator[Example]:
    """Scenes and their maps; ``kind`` is a key of ``MAPS``."""
    for k in range(count):
        rng = np.random.default_rng((seed, 13, k))
        scene = replace(describe(rng), style=None)
        picture = render(scene, rng)
        yield Example(scene, picture, caption(scene, rng), MAPS[kind](scene, picture))


def edges(scene: Scene | None, picture: np.ndarray) -> np.ndarray:
    """Canny edges, as the preprocessor of that name makes them."""
    return np.asarray(preprocess(Image.fromarray(picture), "canny"))


def shapes(scene: Scene, picture: np.ndarray) -> np.ndarray:
    """Each object's outline filled with the colour of its turn, on black: a segmentation anyone can paint."""
    image = Image.new("RGB", (SIDE, SIDE))
    for placed, colour in zip(scene.objects, ORDER, strict=False):
        mask = sized(THINGS[placed.thing].glyph, placed.side).getchannel("A")
        mask = mask.point([255 * (a > 127) for a in range(256)])
        corner = (placed.x - placed.side // 2, placed.y - placed.side // 2)
        image.paste(colour, (*corner, corner[0] + placed.side, corner[1] + placed.side), mask)
    return np.asarray(image)


MAPS: dict[str, Callable[[Scene, np.ndarray], np.ndarray]] = {"edges": edges, "shapes": shapes}


@dataclass(frozen=True)
class Learnt:
    """What training reads, coded once: codes (N, C, h, w) in float16, words, maps (N, 3, 128, 128) uint8."""

    codes: Tensor
    texts: list[str]
    maps: Tensor | None


def coded(examples: Iterator[Example], count: int, seed: int, what: str) -> Learnt:
    """``count`` examples as training reads them; ``seed`` is the starter's, whose codes they are put into."""
    found, texts, maps = [], [], []
    batch: list[np.ndarray] = []
    for k, example in enumerate(track(examples, f"coding {what}", total=count), 1):
        batch.append(example.picture)
        texts.append(example.text)
        if example.map is not None:
            maps.append(torch.from_numpy(example.map.copy()).permute(2, 0, 1))
        if len(batch) == 64 or k == count:
            found.append(codes(seed).encode(to_tensor(np.stack(batch))).half())
            batch.clear()
    return Learnt(torch.cat(found), texts, torch.stack(maps) if maps else None)
