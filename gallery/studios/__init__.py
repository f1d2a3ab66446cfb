"""The other studios, as the files they write tell of them: one module each, and one line in the table below.

A module's ``read`` is given a file's texts by name. It returns None where they are not its studio's, what it
understood and what not where they are, and raises ``NotUnderstood`` with a sentence where nothing can be made
of them. What is read are settings, never pictures, and no name in a file is opened.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from gallery.studios import a1111, comfyui, drawthings, fooocus, invokeai, novelai, sdnext, swarmui
from gallery.studios.reading import NotUnderstood, Reading
from gallery.studios.texts import texts


class Studio(NamedTuple):
    name: str
    read: Callable[[Mapping[str, str]], Reading | None]


# In the order in which they are asked: who writes a mark of its own before who is known by the text alone.
STUDIOS = (
    Studio(swarmui.NAME, swarmui.read),
    Studio(fooocus.NAME, fooocus.read),
    Studio(invokeai.NAME, invokeai.read),
    Studio(novelai.NAME, novelai.read),
    Studio(comfyui.NAME, comfyui.read),
    Studio(drawthings.NAME, drawthings.read),
    Studio(sdnext.NAME, sdnext.read),
    Studio(a1111.NAME, a1111.read),  # and everybody else who writes its text
)


def read(found: Mapping[str, str]) -> Reading | None:
    """What the first studio makes of the texts ``found`` in a file that can make something of them.

    Raises ``NotUnderstood`` where one recognised its texts, and neither it nor another understood any.
    """
    refused: NotUnderstood | None = None
    for studio in STUDIOS:
        try:
            reading = studio.read(found)
        except NotUnderstood as error:
            refused = refused or NotUnderstood(f"{studio.name}: {error}")
            continue
        if reading is not None:
            return reading
    if refused is not None:
        raise refused
    return None


__all__ = ["STUDIOS", "NotUnderstood", "Reading", "Studio", "read", "texts"]
