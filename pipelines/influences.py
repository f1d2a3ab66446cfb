"""What all pictures that a recipe names are asked for: their steps, their pixels, and whose fault it is."""

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from pipelines.influence import Influence
from pipelines.materials import Pictures
from pipelines.recipe import LISTS, RecipeError

AWAY = ("unconditional", "empty")  # texts that a drawing is guided away from


def steps_of(one: Influence, of: int) -> tuple[int, int]:
    """(first, last) of ``of`` steps, from 1, in which it counts. Raises ``ValueError`` where it is none."""
    first, last = one.steps(of)
    if first > last:
        share = f"start {one.start:g} and end {one.end:g}"
        raise ValueError(f"got {share}, with none of {of} steps between; allowed: one or more.")
    return first, last


def picture_of(one: Influence, pictures: Pictures) -> Image.Image:
    """Its picture. Raises ``ValueError`` where it is not here."""
    if one.picture not in pictures:
        raise ValueError(f"its picture {one.picture[:12]}… is not here; allowed: one that is. Give it again.")
    return pictures[one.picture]


def flat(picture: Image.Image) -> Image.Image:
    """In RGB; black where it is transparent, as nothing is drawn there."""
    if picture.has_transparency_data:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture.convert("RGBA"))
    return picture.convert("RGB")


@contextmanager
def numbered(field: str, number: int) -> Iterator[None]:
    """What is wrong with one of the recipe's list ``field`` says which one it is."""
    try:
        yield
    except ValueError as error:
        raise RecipeError(f"{LISTS[field][0]} {number}: {error}") from None
