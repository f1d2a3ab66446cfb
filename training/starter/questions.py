"""What a caption says, as questions with a fixed number of answers. Knows no networks."""

from training.data.scenes import Scene
from training.data.vocabulary import COLOURS, SETTINGS, SIZES, STYLES, THINGS

COLOUR_NAMES, SETTING_NAMES = list(COLOURS), list(SETTINGS)
QUESTIONS = {  # what the caption says -> number of possible answers; 0 is "not said"
    "first": len(THINGS) + 1,
    "second": len(THINGS) + 1,
    "count": 4,
    "axis": 3,
    "top": len(COLOURS) + 1,
    "bottom": len(COLOURS) + 1,
    "setting": len(SETTINGS) + 1,
    "size": len(SIZES) + 1,
    "style": len(STYLES) + 1,
}


def answers(scene: Scene, text: str) -> list[int]:
    """The true answers to ``QUESTIONS``; the first object is the left or upper one of a pair."""
    first, second = scene.objects[0].thing, scene.objects[1].thing if len(scene.objects) > 1 else None
    alone = second is None or second == first
    if scene.relation in ("right of", "below"):
        assert second is not None
        first, second = second, first
    axis = {None: 0, "left of": 1, "right of": 1, "above": 2, "below": 2}[scene.relation]
    said = scene.background.colours
    kind = scene.background.kind
    top = COLOUR_NAMES.index(said[0]) + 1 if said else 0
    bottom = COLOUR_NAMES.index(said[-1]) + 1 if said else 0
    setting = SETTING_NAMES.index(kind) + 1 if kind in SETTINGS else 0
    return [
        first + 1,
        0 if alone else (second or 0) + 1,
        len(scene.objects) if alone else 0,
        axis,
        top,
        bottom,
        setting,
        list(SIZES).index(scene.size) + 1 if scene.size else 0,
        list(STYLES).index(scene.style) + 1 if scene.style else 0,
    ]


def asked(scene: Scene, text: str) -> list[int]:
    """The true answers, -1 for a background that the caption leaves out."""
    row = answers(scene, text)
    kind = scene.background.kind
    words = SETTINGS.get(kind)
    colours = (*scene.background.colours, "gray", "turquoise")
    said = (
        any(w in text for w in words)
        if words
        else any(
            f"{c} background" in text or f"on {c}" in text or f"{c} gradient" in text or f"from {c}" in text
            for c in colours
        )  # fmt: skip
    )
    return row if said else [*row[:4], -1, -1, -1, *row[7:]]
