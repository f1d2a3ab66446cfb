"""Where a picture comes from and what came of it: its family as a tree, and two of it under one slider.

All that is shown came from recipes, and is escaped.
"""

from collections import deque
from collections.abc import Callable, Mapping
from html import escape

import gradio as gr

from gallery import Entry, Family, Gallery, PictureError
from pipelines.recipe import Edit
from ui import show
from ui.easel import address
from ui.watch import Updates

MOST = 60  # pictures of a family that are shown: the nearest
WORDS = 60  # characters of a prompt below one
PICK = """element.addEventListener('click', (event) => {
    const one = event.target.closest('[data-entry]');
    if (one) trigger('select', {key: one.dataset.entry});
});"""


def clicked(take: Callable[[str], Updates]) -> Callable[[gr.EventData], Updates]:
    """A listener for a click in a tree: ``take`` gets the id that it says, which is not to be trusted."""

    def listener(event: gr.EventData) -> Updates:
        return take(str(event._data.get("key", "")) if isinstance(event._data, dict) else "")

    return listener


class History:
    """The trees of a gallery's pictures; ``use`` says what a click on one does."""

    def __init__(self, gallery: Gallery, use: str) -> None:
        self._gallery = gallery
        self._use = use

    def tree(self, entry_id: str) -> str:
        """The family of a picture; nothing where it has none."""
        family = self._gallery.family(entry_id)
        near = nearest(family, entry_id)
        if len(near) < 2:
            return show.NOTHING
        parents = {one: tuple(p for p in family.parents.get(one, ()) if p in near) for one in near}
        children: dict[str, list[str]] = {one: [] for one in near}
        for one in near:  # oldest first; one of several parents holds it, the newest
            if parents[one]:
                children[max(parents[one], key=list(near).index)].append(one)
        roots = "".join(
            self._branch(one, near, children, parents, entry_id) for one in near if not parents[one]
        )
        more = "" if family.complete and len(near) == len(family.members) else " The nearest are shown."
        count = len(family.members)
        told = f"History: {count if family.complete else f'more than {count}'} pictures.{more} {self._use}"
        return f'<div class="history">{show.hint(told)}<ul>{roots}</ul></div>'

    def names(self, entry_id: str) -> list[tuple[str, str]]:
        """(what is said, id) of the others of a family that are shown, newest first."""
        near = nearest(self._gallery.family(entry_id), entry_id)
        return [(_said(entry), entry.id) for entry in reversed(near.values()) if entry.id != entry_id]

    def compared(self, before_id: str, after_id: str) -> str:
        """Two pictures under one slider; nothing where one is not here."""
        before, after = self._gallery.get(before_id), self._gallery.get(after_id)
        if before is None or after is None or before.damaged or after.damaged:
            return show.NOTHING
        edit = after.recipe.edit if after.recipe is not None else None
        margins = edit.margins if edit is not None and edit.resize == "keep" else (0, 0, 0, 0)
        if (before.width + margins[0] + margins[2], before.height + margins[1] + margins[3]) != (
            after.width,
            after.height,
        ):
            margins = (0, 0, 0, 0)  # not the picture that the margins were added to
        size = (after.width, after.height)
        return show.compare(address(before.path), address(after.path), margins, size)

    def before(self, entry_id: str) -> str:
        """A picture and what it was drawn over or enlarged from, under one slider; nothing of others."""
        entry = self._gallery.get(entry_id) if entry_id else None
        recipe = entry.recipe if entry is not None else None
        made = (recipe.edit or recipe.upscale) if recipe is not None else None
        if entry is None or made is None or entry.damaged:
            return show.NOTHING
        if (file := self._gallery.inputs.file(made.picture)) is None:
            return show.NOTHING
        margins = made.margins if isinstance(made, Edit) and made.resize == "keep" else (0, 0, 0, 0)
        return show.compare(address(file), address(entry.path), margins, (entry.width, entry.height))

    def _branch(
        self,
        one: str,
        near: Mapping[str, Entry],
        children: Mapping[str, list[str]],
        parents: Mapping[str, tuple[str, ...]],
        current: str,
    ) -> str:
        below = "".join(self._branch(child, near, children, parents, current) for child in children[one])
        also = " (of several)" if len(parents[one]) > 1 else ""
        here = ' aria-current="true"' if one == current else ""
        button = (
            f'<button type="button" data-entry="{escape(one)}"{here}>{self._face(near[one])}'
            f"<span>{escape(_said(near[one]) + also)}</span></button>"
        )
        return f"<li>{button}{f'<ul>{below}</ul>' if below else ''}</li>"

    def _face(self, entry: Entry) -> str:
        try:
            return f'<img src="{escape(address(self._gallery.thumbnail(entry)))}" alt="" loading="lazy">'
        except (PictureError, OSError):
            return "<i></i>"


def nearest(family: Family, entry_id: str) -> dict[str, Entry]:
    """Of the family, the ``MOST`` nearest by steps from child to parent or back; oldest first."""
    beside: dict[str, list[str]] = {entry.id: [] for entry in family.members}
    for child, above in family.parents.items():
        for parent in above:
            beside[child].append(parent)
            beside[parent].append(child)
    found = dict.fromkeys([entry_id] if entry_id in beside else [])
    todo = deque(found)
    while todo and len(found) < MOST:
        for other in beside[todo.popleft()]:
            if other not in found and len(found) < MOST:
                found[other] = None
                todo.append(other)
    return {entry.id: entry for entry in family.members if entry.id in found}


def _said(entry: Entry) -> str:
    words = entry.recipe.prompt if entry.recipe is not None else ""
    words = " ".join(words.split()) or "no prompt"
    short = words if len(words) <= WORDS else words[:WORDS] + "…"
    return f"{short} · {entry.created.astimezone():%H:%M:%S}"
