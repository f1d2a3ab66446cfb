"""The page as a whole: header, tabs, what the browser keeps, and how it is served."""

from pathlib import Path
from typing import Any

import gradio as gr

from engine import Catalogue, Downloads, Engine
from gallery import Gallery
from ui.create import Create
from ui.easel import head
from ui.edit import Edit
from ui.gallery import BROKEN, Browse
from ui.grid import Grid
from ui.lab import Lab
from ui.models import Models
from ui.theme import theme

STATIC = Path(__file__).parents[1] / "static"
STORAGE_KEY = "atelier"
MAX_WAITING = 100  # events the wire holds; the engine has its own, fairer queue
MAX_UPLOAD = "20mb"
CACHE = (3600, 86400)  # seconds: sweep uploads every hour, drop those older than a day

HEADER = """
<header class="masthead">
  <h1>Atelier</h1>
  <button id="theme" type="button" aria-label="Switch between light and dark"></button>
</header>
"""


def build(
    engine: Engine,
    gallery: Gallery,
    catalogue: Catalogue,
    downloads: Downloads | None,
    secret: str,
    lab: Path,
) -> gr.Blocks:
    """The page. ``catalogue`` are the models to choose from; without ``downloads`` the page cannot change
    which there are. ``lab`` keeps what is trained. ``secret`` encrypts what the browser keeps, and must stay
    the same after a restart.

    Pictures are served as the files they are, never copied: a download has its metadata, and what is deleted
    is gone.
    """
    gr.set_static_paths([gallery.pictures, gallery.thumbnails, BROKEN, gallery.inputs.folder])
    with gr.Blocks(title="Atelier", analytics_enabled=False, delete_cache=CACHE, fill_width=True) as page:
        gr.HTML(HEADER)
        kept = gr.BrowserState({}, storage_key=STORAGE_KEY, secret=secret)
        edited = gr.BrowserState({}, storage_key=f"{STORAGE_KEY}-edit", secret=secret)
        plotted = gr.BrowserState({}, storage_key=f"{STORAGE_KEY}-grid", secret=secret)
        learnt = gr.BrowserState({}, storage_key=f"{STORAGE_KEY}-lab", secret=secret)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Create", id="create"):
                create = Create(engine, gallery, catalogue, kept)
            with gr.Tab("Edit", id="edit", render_children=True) as tab:
                edit = Edit(engine, gallery, catalogue, create, edited, tabs)
                edit.watch.tell_again(tab)
            with gr.Tab("Grid", id="grid") as tab:
                Grid(engine, gallery, create, edit, plotted, tabs, tab)
            with gr.Tab("Gallery", id="gallery") as tab:
                browse = Browse(gallery, create, edit, tabs, tab)
            with gr.Tab("Lab", id="lab", render_children=True) as tab:
                trained = Lab(engine, lab, learnt, tab, create, tabs, catalogue if downloads else None)
            with gr.Tab("Models", id="models") as tab:
                models = Models(engine, catalogue, downloads, create, tabs, tab)
        page.load(
            create.open, [kept], [*create.watch.outputs, *create.remembered],
            show_progress="hidden", api_visibility="private",
        )  # fmt: skip
        page.load(
            edit.open, [kept, edited], edit.remembered, show_progress="hidden", api_visibility="private"
        )
        page.load(
            trained.open, [learnt], trained.remembered, show_progress="hidden", api_visibility="private"
        )
        gr.set_static_paths([trained.exports, browse.bundles.folder])
        models.watch(page)
    page.queue(max_size=MAX_WAITING, default_concurrency_limit=8)
    return page


def launch_options() -> dict[str, Any]:
    """What ``Blocks.launch`` needs to show the page as it is meant."""
    return {
        "theme": theme(),
        "css_paths": [STATIC / "style.css", STATIC / "edit.css", STATIC / "lab.css"],
        "head": head(),
        "js": (STATIC / "keys.js").read_text(encoding="utf-8"),
        "favicon_path": STATIC / "icon.png",
        "footer_links": [],
        "max_file_size": MAX_UPLOAD,
        "max_threads": 128,  # each watched job waits in a thread of its own
        "show_error": False,  # errors of ours are shown in the page; others are for the log
    }
