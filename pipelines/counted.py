"""How long a text is and what seems wrong with it, while it is being written. Refuses nothing."""

from heapq import nlargest
from typing import NamedTuple

from adapters import taught
from models import Parts
from models.chunks import Size
from pipelines.materials import Materials
from pipelines.prompt import (
    Wildcards,
    expanded,
    longest,
    mistakes,
    parts,
    runs,
    stages,
    without_asides,
    without_comments,
)

NOTHING = Materials()
MOST_STEPS = 150  # a text says most over most steps
MOST_MEASURED = 8  # of its texts, those of most characters


class Counted(NamedTuple):
    """``size`` is that of the longest text of all steps, choices and joined prompts; None is not known."""

    size: Size | None
    warnings: tuple[str, ...]


def counted(
    text: str, joins: bool, wildcards: Wildcards, model: Parts | None, materials: Materials = NOTHING
) -> Counted:
    """Of a prompt (which ``joins`` by AND) or a negative prompt, with ``model``'s tokens if it is given."""
    warnings = [f"{mistake}." for mistake in mistakes(text)]
    size = None
    try:
        words = without_asides(expanded(without_comments(text), longest, wildcards))
        joined = [part.text for part in parts(words)] if joins else [words]
        texts = {stage.text for part in joined for stage in stages(part, MOST_STEPS)}
        read = [runs(one) for one in nlargest(MOST_MEASURED, sorted(texts), key=len)]
        if model is not None:
            size = max(map(taught(model, materials.words("\n".join(texts))).size, read))
    except ValueError as error:
        said = str(error)
        warnings.append(said[:1].upper() + said[1:])
    return Counted(size, tuple(warnings))
