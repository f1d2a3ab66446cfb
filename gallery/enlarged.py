"""What the recipe of an enlarged picture says: how, and what drew the one before if that is known."""

from collections.abc import Mapping
from typing import Any

from pipelines.recipe import LISTS, Recipe

LEFT = {*LISTS, "edit", "hires", "hires_levels", "tiles", "count"}  # of its drawing; the parent has them


def enlarged(source: Recipe | None, upscale: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a recipe that enlarges, as ``upscale`` says, the picture that ``source`` made."""
    if source is None or not source.known:
        return {"upscale": dict(upscale)}
    kept = source.model_dump(exclude=LEFT)
    return kept | {"upscale": {**upscale, "known": True}}
