"""Every data set of the lab, by name: one file beside this one and one line here adds one."""

from collections.abc import Callable
from pathlib import Path

from training.data.digits import digits
from training.data.glyph_pictures import glyph_pictures
from training.data.labelled import labelled
from training.data.pictures import Pictures

DATASETS: dict[str, Callable[[], Pictures]] = {
    "digits": digits,
    "glyphs": glyph_pictures,
}
FOLDER = "folder:"  # before the path of one's own


def dataset(name: str) -> Pictures:
    """That of the table, or of the folder after ``FOLDER``. Raises ``ValueError``."""
    if name.startswith(FOLDER):
        return labelled(Path(name.removeprefix(FOLDER)))
    if name not in DATASETS:
        raise ValueError(f"data: got {name!r}; allowed: {', '.join(DATASETS)}, {FOLDER}PATH.")
    return DATASETS[name]()
