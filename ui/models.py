"""The Models tab: which models there are, what their files say of themselves, and which Create draws with.

Models have names here, no paths. Where the page may change what there is (``downloads`` is given), it says
what a model predicts, and ``ui.sources`` opens folders and fetches.
"""

from collections.abc import Iterator
from concurrent.futures import TimeoutError as NotYet
from typing import Any

import gradio as gr
from gradio.blocks import Block

from engine import Catalogue, Downloads, Engine, Model
from ui import cards, show
from ui.additions import nameable, with_lora
from ui.create import Create
from ui.sources import Sources
from ui.watch import QUIET

PAGE = 60  # models shown at first and by each "Show more"
ALL = "all"
FILTERS = [
    ("All", ALL),
    *((f"{label}s", kind) for kind, label in cards.KINDS.items() if kind),
    ("Cannot be used", ""),
]
PICK = """element.addEventListener('click', (event) => {
    const card = event.target.closest('[data-key]');
    if (card) trigger('select', {key: card.dataset.key});
});"""
PREDICTIONS = [
    ("As the file says, or guessed", ""),
    ("Noise (epsilon)", "epsilon"),
    ("Velocity (v)", "v_prediction"),
]
TAKING = "being taken…"
UNSAID = (
    "The file does not say whether it predicts noise or velocity, so it is asked once and guessed. "
    "If its pictures are only noise or blotches, choose the other."
)
SHOW = "() => innerWidth <= 860 && document.getElementById('model')?.scrollIntoView({behavior: 'smooth'})"

Updates = dict[Block, Any]


class Models:
    """The tab's components and listeners. ``create`` is where a model goes to be drawn with."""

    def __init__(
        self,
        engine: Engine,
        catalogue: Catalogue,
        downloads: Downloads | None,
        create: Create,
        tabs: gr.Tabs,
        tab: gr.Tab,
    ) -> None:
        self._engine = engine
        self._catalogue = catalogue
        self._downloads = downloads
        self._create = create
        self._tabs = tabs
        with gr.Row(elem_id="models"):
            with gr.Column(elem_id="models-list"):
                self._list()
            with gr.Column(elem_id="model", visible=False) as self._panel:
                self._details()
        self._picked = gr.State("")
        self._many = gr.State(PAGE)
        self._listen(tab)

    # The layout

    def _list(self) -> None:
        with gr.Row(elem_id="models-search"):
            self._search = gr.Textbox(
                label="Search", placeholder="Name, family or trigger word", elem_id="model-words", max_lines=1
            )
            self._kind = gr.Dropdown(FILTERS, value=ALL, label="Show", elem_id="model-kind", filterable=False)
        self._found = gr.HTML(elem_id="models-found")
        self._cards = gr.HTML(elem_id="cards", js_on_load=PICK, apply_default_css=False)
        self._more = gr.Button("Show more", elem_id="models-more", visible=False)
        self._sources: Sources | None = None
        if self._downloads is not None:
            self._sources = Sources(self._catalogue, self._downloads, self._create.form)

    def _details(self) -> None:
        self._about = gr.HTML(elem_id="about")
        self._draw = gr.Button("Draw with it", variant="primary", elem_id="draw-with")
        self._add = gr.Button("Add to the prompt", variant="primary", elem_id="put-lora")
        self._decode = gr.Button("Use this VAE", variant="primary", elem_id="use-vae")
        self._prediction = gr.Radio(
            PREDICTIONS, label="What it predicts", value="", visible=False, elem_id="prediction"
        )
        self._doubt = gr.HTML(elem_id="doubt")

    # The wiring

    def _listen(self, tab: gr.Tab) -> None:
        asked, wall = (
            [self._search, self._kind, self._picked],
            [self._cards, self._found, self._more, self._many],
        )
        # One listener, as in the gallery: answers come in the order of asking.
        seen = [tab.select, self._search.submit, self._search.change, self._kind.input]
        gr.on(seen, self._show, asked, wall, trigger_mode="always_last", **QUIET)
        self._more.click(self._show_more, [*asked, self._many], wall, **QUIET)
        panel = [
            self._panel, self._about, self._draw, self._add, self._decode, self._prediction, self._doubt,
            self._picked,
        ]  # fmt: skip
        picked = self._cards.select(self._pick, None, panel, trigger_mode="multiple", **QUIET)
        picked.then(None, None, None, js=SHOW, **QUIET)
        shown = picked.then(self._show, asked, wall, **QUIET)
        hashed = shown.then(self._hash, [self._picked], [self._about], **QUIET)
        self._cards.select(
            None, cancels=[hashed]
        )  # else the hash of one would come into the panel of another
        form = self._create.form
        chosen = self._draw.click(
            self._draw_with, [self._picked, self._create.kept, *form.components],
            [self._tabs, *form.components], preprocess=False, **QUIET,
        )  # fmt: skip
        self._create.keep_after(chosen)
        prompt = form["prompt"]
        added = self._add.click(self._add_to, [self._picked, prompt], [self._tabs, prompt], **QUIET)
        self._create.keep_after(added)
        taken = self._decode.click(self._decode_with, [self._picked], [self._tabs, form["vae"]], **QUIET)
        self._create.keep_after(taken)
        for change in self._sources.changes() if self._sources is not None else ():
            change.then(self._show, asked, wall, **QUIET)
        if self._downloads is not None:
            self._prediction.input(self._predict, [self._picked, self._prediction], [self._doubt], **QUIET)

    def watch(self, page: gr.Blocks) -> None:
        """What a page that opens shows at once."""
        if self._sources is not None:
            self._sources.watch(page)

    # What there is

    def _show(self, words: str, kind: str, picked: str, many: int = PAGE) -> Updates:
        found = [model for model in self._catalogue.all() if _is_asked(model, words, kind)]
        said = "Nothing found for these words." if words.strip() else "Nothing of this kind here yet."
        return {
            self._cards: cards.cards(found[:many], picked),
            self._found: "" if found else show.empty(said),
            self._more: gr.update(visible=len(found) > many),
            self._many: many,
        }

    def _show_more(self, words: str, kind: str, picked: str, many: int) -> Updates:
        return self._show(words, kind, picked, many + PAGE)

    def _model(self, picked: str) -> Model | None:
        kind, _, name = picked.partition("/")
        return self._catalogue.get(kind, name)

    def _pick(self, event: gr.EventData) -> Updates:
        picked = str(event._data.get("key", "")) if isinstance(event._data, dict) else ""
        model = self._model(picked)
        if model is None:
            return {self._panel: gr.update(visible=False), self._picked: ""}
        checkpoint = model.kind == "checkpoint" and model.about is not None
        unsaid = checkpoint and not model.about.tells_prediction  # pyright: ignore[reportOptionalMemberAccess]
        return {
            self._panel: gr.update(visible=True),
            self._about: cards.details(model, self._known(model), self._notes(model)),
            self._draw: gr.update(visible=checkpoint),
            self._add: gr.update(visible=model.kind == "lora" and nameable(model.name)),
            self._decode: gr.update(visible=model.kind == "vae"),
            self._prediction: gr.update(
                visible=checkpoint and self._downloads is not None,
                value=self._catalogue.prediction(model.name) or "",
            ),
            self._doubt: show.hint(UNSAID) if unsaid else "",
            self._picked: picked,
        }

    def _notes(self, model: Model) -> tuple[str, ...]:
        """Of a checkpoint that is loaded now."""
        parts = self._engine.loaded(model.name) if model.kind == "checkpoint" else None
        return () if parts is None else parts.notes

    def _known(self, model: Model) -> str:
        """Its hash, or that it is being taken; only files that can be used have one."""
        file = model.found.path
        try:
            return (self._catalogue.hashes.known(file) or TAKING) if model.kind and file.is_file() else ""
        except OSError:
            return ""

    def _hash(self, picked: str) -> Iterator[Updates]:
        """Show the hash once it is taken; the page may go on meanwhile."""
        model = self._model(picked)
        if model is None or self._known(model) != TAKING:
            yield {self._about: gr.skip()}  # an answer of nothing would empty it
            return
        try:
            taken = self._catalogue.hashes.ask(model.found.path)
            while True:
                try:
                    yield {self._about: cards.details(model, taken.result(1.0), self._notes(model))}
                    return
                except NotYet:
                    yield {self._about: gr.skip()}
        except OSError:
            yield {self._about: cards.details(model, "cannot be read", self._notes(model))}

    def _draw_with(self, picked: str, kept: dict[str, Any], *values: Any) -> Updates:
        model = self._model(picked)
        if model is None or model.kind != "checkpoint":
            return {self._tabs: gr.skip()}
        return {self._tabs: gr.Tabs(selected="create"), **self._create.draw_with(model.name, kept, *values)}

    def _add_to(self, picked: str, prompt: str) -> tuple[Any, str]:
        model = self._model(picked)
        if model is None or model.kind != "lora":
            return gr.skip(), prompt
        return gr.Tabs(selected="create"), with_lora(prompt, model.name)

    def _decode_with(self, picked: str) -> Updates:
        model = self._model(picked)
        if model is None or model.kind != "vae":
            return {self._tabs: gr.skip()}
        return {self._tabs: gr.Tabs(selected="create"), **self._create.form.updates({"vae": model.name})}

    def _predict(self, picked: str, prediction: str) -> str:
        model = self._model(picked)
        if model is None:
            return ""
        self._catalogue.predict(model.name, prediction or None)
        self._engine.reload(model.name)
        return show.hint("The next picture is drawn so.")


def _is_asked(model: Model, words: str, kind: str) -> bool:
    """Every word is in its name, title, family or trigger words."""
    about = model.about
    text = " ".join(
        (model.name, about.title, about.family, *about.triggers) if about else (model.name,)
    ).lower()
    return kind in (ALL, model.kind or "") and all(word in text for word in words.lower().split())
