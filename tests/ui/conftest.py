"""A Create tab of a studio of its own."""

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from engine import Catalogue, Engine
from gallery import Gallery
from ui.create import Create


@pytest.fixture
def create(tmp_path: Path) -> Iterator[Create]:
    gallery = Gallery(tmp_path / "gallery")
    catalogue = Catalogue(tmp_path)
    catalogue.look()
    with gr.Blocks():
        yield Create(Engine(gallery=gallery), gallery, catalogue, gr.BrowserState({}))
    gallery.close()
