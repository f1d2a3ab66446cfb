"""Where models come from: the lower half of the Models tab, for who may open folders and fetch from the hub.

The engine's side fetches; a page shows how far that is and may go. Paths are typed by the machine's owner.
"""

from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.events import Dependency

from engine import Catalogue, DownloadError, Downloads, FolderError, HubError, Repository, ask
from ui import cards, show
from ui.form import Form
from ui.watch import QUIET

LOOK_EVERY = 1.0  # seconds, while something is fetched
HUB = "Only safetensors are fetched. You see what there is, and how large, before anything begins."
FOLDERS = "The models folder of another studio, AUTOMATIC1111’s or ComfyUI’s for instance. It is only read."

Updates = dict[Block, Any]


class Sources:
    """The components and listeners. ``form`` is where a new checkpoint can be chosen at once."""

    def __init__(self, catalogue: Catalogue, downloads: Downloads, form: Form) -> None:
        self._catalogue = catalogue
        self._downloads = downloads
        self._form = form
        with gr.Accordion("Download from the Hugging Face hub", open=False, elem_id="hub"):
            self._make_hub()
        with gr.Accordion("Model folders", open=False, elem_id="folders"):
            self._make_folders()
        self._listen_hub()

    def _make_hub(self) -> None:
        gr.HTML(show.hint(HUB))
        with gr.Row(elem_classes="ask"):
            self._repository = gr.Textbox(
                label="Repository", placeholder="owner/name", elem_id="repository", max_lines=1
            )
            self._ask = gr.Button("Look", elem_id="hub-ask", min_width=90)
        self._offer = gr.Radio([], label="What to fetch", visible=False, elem_id="offers")
        self._fetch = gr.Button("Download", variant="primary", visible=False, elem_id="download")
        self._hub_notice = gr.HTML(elem_id="hub-notice")
        self._fetching = gr.HTML(elem_id="downloads")
        self._stop = gr.Button("Stop", visible=False, elem_id="download-stop")
        self._asked = gr.State(None)  # the repository that was looked at
        self._clock = gr.Timer(LOOK_EVERY, active=False)

    def _make_folders(self) -> None:
        gr.HTML(show.hint(FOLDERS))
        self._paths = gr.HTML(elem_id="folder-list")
        with gr.Row(elem_classes="ask"):
            self._path = gr.Textbox(
                label="Folder", placeholder="/home/me/webui/models", elem_id="folder", max_lines=1
            )
            self._open = gr.Button("Open", elem_id="folder-open", min_width=90)
            self._shut = gr.Button("Close", elem_id="folder-shut", min_width=90)
        self._folder_notice = gr.HTML(elem_id="folder-notice")
        self._again = gr.Button("Look through all folders again", elem_id="look-again")

    def _listen_hub(self) -> None:
        offered: list[Component] = [self._asked, self._offer, self._fetch, self._hub_notice]
        gr.on(
            [self._ask.click, self._repository.submit], self._look_at, [self._repository], offered,
            api_visibility="private",
        )  # fmt: skip
        self._going = [self._fetching, self._stop, self._clock, self._form["model"]]
        self._fetch.click(self._begin, [self._asked, self._offer], [*offered, *self._going], **QUIET)
        self._stop.click(self._stop_all, None, None, **QUIET)

    def changes(self) -> list[Dependency]:
        """Listeners, made here, after each of which there may be other models."""
        changed: list[Component] = [self._paths, self._folder_notice, self._path, self._form["model"]]
        return [
            self._open.click(self._open_folder, [self._path], changed, **QUIET),
            self._path.submit(self._open_folder, [self._path], changed, **QUIET),
            self._shut.click(self._shut_folder, [self._path], changed, **QUIET),
            self._again.click(self._look_again, None, changed, **QUIET),
            self._clock.tick(self._far, None, self._going, **QUIET),
        ]

    def watch(self, page: gr.Blocks) -> None:
        """A page that opens shows what is being fetched, and which folders are open."""
        page.load(self._far, None, self._going, **QUIET)
        page.load(lambda: cards.folders(self._catalogue.folders), None, [self._paths], **QUIET)

    # Folders

    def _open_folder(self, path: str) -> Updates:
        try:
            self._catalogue.open(path)
        except FolderError as error:
            return {self._folder_notice: show.notice(str(error))}
        return self._opened(f"Open: {path.strip()}")

    def _shut_folder(self, path: str) -> Updates:
        try:
            self._catalogue.shut(path.strip())
        except FolderError as error:
            return {self._folder_notice: show.notice(str(error))}
        return self._opened(f"Closed: {path.strip()}. Nothing in it was touched.")

    def _look_again(self) -> Updates:
        self._catalogue.look()
        return self._opened(f"{len(self._catalogue.all())} model files are here.")

    def _opened(self, said: str) -> Updates:
        return {
            self._paths: cards.folders(self._catalogue.folders),
            self._folder_notice: show.good_news(said),
            self._path: "",
            self._form["model"]: self._form.menu(),
        }

    # Downloads

    def _look_at(self, name: str) -> Updates:
        try:
            repository = ask(name)
        except HubError as error:
            return {**self._nothing_offered(), self._hub_notice: show.notice(str(error))}
        offers = enumerate(repository.offers)
        choices = [(f"{offer.what} ({cards.size(offer.size)})", k) for k, offer in offers]
        return {
            self._asked: repository,
            self._offer: gr.update(choices=choices, value=0, visible=True),
            self._fetch: gr.update(visible=True),
            self._hub_notice: "",
        }

    def _begin(self, asked: Repository | None, chosen: int | None) -> Updates:
        if asked is None or chosen is None:
            return {self._hub_notice: show.notice("What to fetch: got nothing; allowed: one of the list.")}
        try:
            self._downloads.begin(asked, asked.offers[chosen])
        except (DownloadError, OSError) as error:
            return {self._hub_notice: show.notice(str(error))}
        return {**self._nothing_offered(), self._hub_notice: "", **self._far()}

    def _nothing_offered(self) -> Updates:
        hidden = gr.update(visible=False)
        return {self._asked: None, self._offer: hidden, self._fetch: hidden}

    def _stop_all(self) -> None:
        for download in self._downloads.all():
            self._downloads.stop(download)

    def _far(self) -> Updates:
        """How far the downloads are; looks again as long as one runs."""
        some = self._downloads.all()
        running = any(not one.ended for one in some)
        return {
            self._fetching: cards.downloads(some),
            self._stop: gr.update(visible=running),
            self._clock: gr.Timer(active=running),
            self._form["model"]: gr.skip() if running else self._form.menu(),
        }
