"""Every data set of the lab, by name: one file beside this one and one line here adds one."""

from collections.abc import Callable

from training.data.digits import digits
from training.data.glyph_pictures import glyph_pictures
from training.data.pictures import Pictures

DATASETS: dict[str, Callable[[], Pictures]] = {
    "digits": digits,
    "glyphs": glyph_pictures,
}
