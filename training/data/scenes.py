"""Scenes: what the starter learns to draw, as a description, a picture and a caption, all from one seed.

``describe`` decides a scene, ``render`` draws it, ``caption`` says it. The three are separate so that an
evaluation can ask for a scene in words and know exactly what should be seen. Knows no networks.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from training.data.glyphs import mean_colour, sized
from training.data.styles import COLOURLESS, STYLE_FILTERS
from training.data.vocabulary import (
    COLOUR_SYNONYMS,
    COLOURS,
    NUMBERS,
    OPPOSITE,
    RELATIONS,
    SETTINGS,
    SIZES,
    STYLES,
    THINGS,
)

SIDE = 128  # pixels of a scene's edge
CELL = 8  # pixels. Objects stand on this grid and have sides of whole cells, so that one glyph at one size is
# one pattern of latents wherever it stands: a small network learns it many times sooner
MEDIA = ("a drawing of", "a picture of", "an illustration of", "an emoji of", "a photo of", "an image of")
PRAISE = (", high quality", ", cute", ", beautiful", ", detailed", ", simple", ", flat illustration")


@dataclass(frozen=True)
class Background:
    """``kind`` is "plain" (one colour), "gradient" (top colour to bottom colour) or a key of ``SETTINGS``."""

    kind: str
    colours: tuple[str, ...] = ()


@dataclass(frozen=True)
class Placed:
    """One object: its index in ``THINGS``, centre and side in pixels."""

    thing: int
    x: int
    y: int
    side: int


@dataclass(frozen=True)
class Scene:
    """One to three objects on a background. ``relation`` holds between the first and the second object."""

    objects: tuple[Placed, ...]
    background: Background
    relation: str | None = None  # a key of RELATIONS
    size: str | None = None  # a key of SIZES, for single objects
    style: str | None = None  # a key of STYLES


def _hash(*words: object) -> int:
    return int.from_bytes(hashlib.blake2b("|".join(map(str, words)).encode(), digest_size=4).digest(), "big")


def held_out_pair(thing: int, colour: str) -> bool:
    """Object-on-plain-colour combinations that training never sees (one in twelve)."""
    return _hash("pair", THINGS[thing].name, colour) % 12 == 0


def held_out_triple(first: int, relation: str, second: int) -> bool:
    """Object-relation-object combinations that training never sees (one in eight), either way round."""
    if relation in ("right of", "below"):
        first, relation, second = second, OPPOSITE[relation], first
    return _hash("triple", THINGS[first].name, relation, THINGS[second].name) % 8 == 0


def contrasts(thing: int, colour: str) -> bool:
    """Whether the object can be seen on the colour (mean colours at least 75 apart of 441)."""
    return float(np.linalg.norm(np.subtract(mean_colour(THINGS[thing].glyph), COLOURS[colour]))) >= 75


def held_out(scene: Scene) -> bool:
    if scene.background.kind == "plain" and any(
        held_out_pair(o.thing, scene.background.colours[0]) for o in scene.objects
    ):
        return True
    return scene.relation is not None and held_out_triple(
        scene.objects[0].thing, scene.relation, scene.objects[1].thing
    )


def _background(rng: np.random.Generator, things: tuple[int, ...]) -> Background:
    names = list(COLOURS)
    draw = rng.random()
    if draw < 0.68:
        while True:
            colour = names[rng.integers(len(names))]
            if all(contrasts(t, colour) for t in things) or rng.random() < 0.02:
                return Background("plain", (colour,))
    if draw < 0.80:
        first, second = rng.choice(len(names), 2, replace=False)
        return Background("gradient", (names[first], names[second]))
    settings = list(SETTINGS)
    return Background(settings[rng.integers(len(settings))])


# Where the corners of objects may stand, in cells. All leave the remainder 1 when divided by 2, most by 4:
# latents are two cells wide, and a glyph at one size looks the same to them and to the U-Net's next level.
CENTRES = {40: (5, 5), 72: (3, 3), 104: (1, 1)}  # of single objects, by their sides
AWAY = {40: (1, 5, 9), 72: (1, 5), 104: (1,)}
GROUPS = {
    2: (((1, 5), (9, 5)), ((1, 1), (9, 9)), ((1, 9), (9, 1))),
    3: (((1, 9), (9, 9), (5, 1)), ((1, 1), (9, 1), (5, 9))),
}


def spread(rng: np.random.Generator, count: int, side: int) -> list[tuple[int, int]]:
    """Centres of ``count`` squares that do not overlap: a row, a diagonal or a triangle; one alone stands in
    the middle half of the time."""
    if count > 1:
        corners = GROUPS[count][rng.integers(len(GROUPS[count]))]
    elif rng.random() < 0.5:
        corners = (CENTRES[side],)
    else:
        corners = ((rng.choice(AWAY[side]), rng.choice(AWAY[side])),)
    return [_centre(x, y, side) for x, y in corners]


def side_of(count: int, size: str | None = None) -> int:
    """Side in pixels of each of ``count`` objects; ``size`` is a key of SIZES or None."""
    return {1: {None: 72, "small": 40, "big": 104}[size], 2: 48, 3: 40}[count]


def related(relation: str, side: int) -> list[tuple[int, int]]:
    """Centres of two objects, the first standing in ``relation`` to the second."""
    along = (1, 9) if relation in ("left of", "above") else (9, 1)
    corners = [(at, 5) if relation in ("left of", "right of") else (5, at) for at in along]
    return [_centre(x, y, side) for x, y in corners]


def _centre(x: int, y: int, side: int) -> tuple[int, int]:
    return int(x) * CELL + side // 2, int(y) * CELL + side // 2


def describe(rng: np.random.Generator) -> Scene:
    """Decide a scene. Draws again while the combination is held out from training."""
    while True:
        scene = _describe(rng)
        if not held_out(scene):
            return scene


def _describe(rng: np.random.Generator) -> Scene:
    style = list(STYLES)[rng.integers(len(STYLES))] if rng.random() < 0.08 else None
    kind = rng.choice(4, p=[0.46, 0.22, 0.26, 0.06])
    first = int(rng.integers(len(THINGS)))
    if kind == 0:  # one object
        size = None if rng.random() < 0.8 else ("small" if rng.random() < 0.5 else "big")
        side = side_of(1, size)
        ((x, y),) = spread(rng, 1, side)
        return Scene((Placed(first, x, y, side),), _background(rng, (first,)), None, size, style)
    if kind == 1:  # two or three of a kind
        count = int(rng.integers(2, 4))
        side = side_of(count)
        placed = tuple(Placed(first, x, y, side) for x, y in spread(rng, count, side))
        return Scene(placed, _background(rng, (first,)), None, None, style)
    second = int((first + 1 + rng.integers(len(THINGS) - 1)) % len(THINGS))
    things = (first, second)
    side = side_of(2)
    if kind == 2:  # two objects in a relation
        relation = list(RELATIONS)[rng.integers(len(RELATIONS))]
        centres = related(relation, side)
    else:  # two objects, side by side or anyhow
        relation, centres = None, spread(rng, 2, side)
    placed = tuple(Placed(t, x, y, side) for t, (x, y) in zip(things, centres, strict=True))
    return Scene(placed, _background(rng, things), relation, None, style)


def _canvas(background: Background, rng: np.random.Generator) -> Image.Image:
    if background.kind == "plain":
        return Image.new("RGB", (SIDE, SIDE), COLOURS[background.colours[0]])
    if background.kind == "gradient":
        return Image.fromarray(_rows((COLOURS[background.colours[0]], COLOURS[background.colours[1]]), SIDE))
    horizon = int(SIDE * rng.uniform(0.5, 0.62))
    sky, ground = {
        "meadow": (((96, 168, 240), (196, 226, 250)), ((104, 178, 72), (66, 138, 52))),
        "sea": (((150, 205, 245), (216, 238, 250)), ((36, 128, 190), (14, 74, 138))),
        "night": (((12, 14, 48), (38, 36, 92)), ((38, 36, 92), (58, 48, 112))),
        "snow": (((170, 196, 222), (214, 228, 240)), ((250, 252, 254), (222, 232, 244))),
        "desert": (((120, 190, 240), (236, 224, 190)), ((238, 206, 132), (214, 168, 92))),
    }[background.kind]
    image = Image.fromarray(np.concatenate([_rows(sky, horizon), _rows(ground, SIDE - horizon)]))
    if background.kind == "night":
        draw = ImageDraw.Draw(image)
        for _ in range(int(rng.integers(22, 34))):
            x, y, light = int(rng.integers(SIDE)), int(rng.integers(SIDE)), int(rng.integers(170, 256))
            r = int(rng.random() < 0.35)
            draw.ellipse((x - r, y - r, x + r, y + r), fill=(light, light, min(255, light + 10)))
    return image


def _rows(ends: tuple[tuple[int, int, int], tuple[int, int, int]], height: int) -> np.ndarray:
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    rows = (1 - ramp) * np.array(ends[0], np.float32) + ramp * np.array(ends[1], np.float32)
    return np.broadcast_to(rows, (height, SIDE, 3)).astype(np.uint8)


def render(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """The picture: (128, 128, 3) uint8. ``rng`` decides what the description leaves open (stars, grain)."""
    image = _canvas(scene.background, rng)
    for placed in scene.objects:
        glyph = sized(THINGS[placed.thing].glyph, placed.side)
        image.paste(glyph, (placed.x - placed.side // 2, placed.y - placed.side // 2), glyph)
    pixels = np.asarray(image)
    return STYLE_FILTERS[scene.style](pixels, rng) if scene.style else pixels


def expected(scene: Scene) -> Scene:
    """The same scene with its objects where the words alone would put them: one in the middle, several in a
    row, a pair as it is related."""
    if scene.relation is not None:
        return scene
    count, side = len(scene.objects), scene.objects[0].side
    corners = (CENTRES[side],) if count == 1 else GROUPS[count][0]
    centres = (_centre(x, y, side) for x, y in corners)
    moved = (Placed(o.thing, x, y, side) for o, (x, y) in zip(scene.objects, centres, strict=True))
    return replace(scene, objects=tuple(moved))


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[rng.integers(len(options))]


def _article(noun: str) -> str:
    if noun.endswith(("glasses", "fries")):
        return noun
    return f"an {noun}" if noun[0] in "aeiou" and not noun.startswith("uni") else f"a {noun}"


def _noun(rng: np.random.Generator, thing: int, many: bool = False) -> str:
    options = THINGS[thing].plurals if many else THINGS[thing].names
    return options[0] if rng.random() < 0.6 else _pick(rng, options)


def _subject(scene: Scene, rng: np.random.Generator) -> str:
    first = scene.objects[0].thing
    distinct = len({o.thing for o in scene.objects})
    if distinct == 1:
        count = len(scene.objects)
        if count > 1:
            return f"{_pick(rng, NUMBERS[count])} {_noun(rng, first, many=True)}"
        noun = _noun(rng, first)
        if scene.size:
            noun = f"{_pick(rng, SIZES[scene.size])} {noun}"
        draw = rng.random()
        return _article(noun) if draw < 0.6 else noun if draw < 0.9 else f"one {noun}"
    a, b = _noun(rng, first), _noun(rng, scene.objects[1].thing)
    if rng.random() < 0.8:
        a, b = _article(a), _article(b)
    if scene.relation is None:
        return f"{a} and {b}"
    if rng.random() < 0.3:  # the same scene, said from the other object
        a, b, relation = b, a, OPPOSITE[scene.relation]
    else:
        relation = scene.relation
    return f"{a} {_pick(rng, RELATIONS[relation])} {b}"


def _setting(scene: Scene, rng: np.random.Generator) -> str:
    """Words for the background, with their own joint (" on ...", ", ... background") or empty."""
    background = scene.background
    if scene.style in COLOURLESS or rng.random() < 0.06:
        return ""
    if background.kind == "plain":
        name = background.colours[0]
        word = _pick(rng, COLOUR_SYNONYMS.get(name, (name,)))
        return _pick(rng, (
            f" on a {word} background", f" on {word}", f", {word} background",
            f" against a {word} background", f" on a plain {word} background",
            f" in front of a {word} background", f" with a {word} background",
        )).replace(" a orange", " an orange")  # fmt: skip
    if background.kind == "gradient":
        top, bottom = background.colours
        return _pick(rng, (
            f" on a {top} to {bottom} gradient", f", {top} to {bottom} gradient background",
            f" on a gradient from {top} to {bottom}",
        )).replace(" a orange", " an orange")  # fmt: skip
    words = _pick(rng, SETTINGS[background.kind])
    return f" {words}" if rng.random() < 0.85 else f", {words}"


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """One of the many ways to say the scene, lower case, without a full stop."""
    subject, setting = _subject(scene, rng), _setting(scene, rng)
    if scene.style:
        style = _pick(rng, STYLES[scene.style])
        form = rng.random()
        if form < 0.4:
            return f"{_article(style)} of {subject}{setting}"
        return f"{subject}{setting}, {style}" if form < 0.8 else f"{style}, {subject}{setting}"
    if rng.random() < 0.25:
        return f"{_pick(rng, MEDIA)} {subject}{setting}"
    praise = (
        _pick(rng, PRAISE) if rng.random() < 0.05 else ""
    )  # words people add by habit, which change nothing
    return f"{subject}{setting}{praise}"


def scene_at(index: int, seed: int) -> tuple[Scene, np.ndarray, str]:
    """Scene number ``index`` of the endless training set ``seed``: (scene, (128, 128, 3) uint8, caption)."""
    rng = np.random.default_rng((seed, index))
    scene = describe(rng)
    return scene, render(scene, rng), caption(scene, rng)
