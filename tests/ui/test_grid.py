"""Grid without a browser: whose settings it varies, the last sheet, and where a cell goes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from engine import Catalogue, Engine
from gallery import Gallery
from gallery.plots import Plot
from pipelines.recipe import Edit as Over
from pipelines.recipe import Recipe
from tests.ui.test_edit import kept, settings
from ui.create import Create
from ui.edit import Edit
from ui.grid import Grid


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[Grid]:
    gallery = Gallery(tmp_path / "gallery")
    engine, catalogue = Engine(gallery=gallery), Catalogue(tmp_path)
    catalogue.look()
    with gr.Blocks(), gr.Tabs() as tabs:
        with gr.Tab():
            create = Create(engine, gallery, catalogue, gr.BrowserState({}))
        with gr.Tab():
            edit = Edit(engine, gallery, catalogue, create, gr.BrowserState({}), tabs)
        with gr.Tab() as tab:
            yield Grid(engine, gallery, create, edit, gr.BrowserState({}), tabs, tab)
    gallery.close()


def asked(grid: Grid, **values: Any) -> list[Any]:
    """What the browser sends of both tabs, with the visitor first and the canvas last."""
    create = [box.value for box in grid._create.asked[1:]]  # pyright: ignore[reportAttributeAccessIssue]
    return [{"visitor": "me"}, *create, *settings(grid._edit, **values)]


def test_the_settings_are_those_of_create_or_of_edit(grid: Grid) -> None:
    sent = asked(grid, prompt="an edit", strength=0.5)
    plain, user = grid._settings("Create", [*sent, "", "", "", ""])
    assert user == "me" and plain.edit is None and plain.prompt == ""
    over, user = grid._settings("Edit", [*sent, kept(grid._edit), "", "", ""])
    assert user == "me" and over.edit and over.edit.strength == 0.5 and over.prompt == "an edit"
    said = grid._begin("Edit", "edit.strength", "", "", "0.5", "", "", *sent, "", "", "", "")[grid._said]
    assert "Init picture: got none" in said


def test_the_last_sheet_is_shown_again_without_what_was_deleted(grid: Grid) -> None:
    entries = [grid._gallery.add(Image.new("RGB", (64, 64)), Recipe(prompt=str(k))) for k in range(3)]
    places = tuple(((k, 0, 0), entry.id) for k, entry in enumerate(entries))
    grid._plots.write("a-key-of-ours", Plot(("Seed",), (("1", "2", "3"),), places))
    grid._gallery.delete(entries[1].id)
    updates = grid.open({"grid": "a-key-of-ours"}, "")
    assert updates[grid._shown] == [entries[0].id, entries[2].id]
    assert [label for _, label in updates[grid._cells]["value"]] == ["1", "3"]
    assert updates[grid._sheet]["visible"] and updates[grid._run] == "a-key-of-ours"
    for memory, shown in (
        ({"grid": "a-key-of-ours"}, "a-key-of-ours"),
        ({"grid": "../x"}, ""),
        ({}, ""),
        (None, ""),
    ):
        assert grid.open(memory, shown).keys() == {grid._said}


def test_an_edited_cell_goes_to_edit_and_another_to_create(grid: Grid) -> None:
    edit = Over(picture=kept(grid._edit))
    entries = [grid._gallery.add(Image.new("RGB", (8, 8)), Recipe(edit=one)) for one in (None, edit)]
    for index, edited in enumerate((False, True)):
        data = gr.SelectData(None, {"index": index, "value": None})
        updates = grid._look(data, [entry.id for entry in entries])
        assert updates[grid._use]["visible"] is not edited and updates[grid._rerun]["visible"] is edited
