"""The Create tab: from words to a picture. The engine owns the job; ``ui/watch.py`` watches it.

The browser keeps the settings. How pictures are drawn or stored is not known here.
"""

import secrets
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.events import Dependency

from engine import Catalogue, Engine, QueueFull, cost
from gallery import Gallery, MetadataError, PictureError, restore
from pipelines.recipe import Recipe, RecipeError
from ui import advanced, show
from ui.additions import Additions
from ui.counter import Counter
from ui.form import RANDOM, Form
from ui.influences import CONTROLS, REFERENCES, Influences
from ui.rerun import Rerun
from ui.switched import Switched
from ui.watch import QUIET, Watch

EXAMPLES = (
    "three red apples on a blue background",
    "a cat on the grass",
    "a rocket in a starry night",
    "a banana left of a pear",
    "two penguins in the snow",
    "an owl on brown <lora:noir:1>",
    "a sailboat at sea",
    "a fox on a teal background",
    "a guitar on white <lora:sepia:1>",
)
HINT = """<p class="hint">More steps are slower and a little more exact. Guidance is how strongly the prompt
is followed. Sizes are pixels. Seed −1 is a new one each time: the one used is shown below the picture, and ♻️
takes it over; several pictures use the seeds that follow.</p>"""
COSTLY = (  # they decide how often the model is asked, and how often is enough
    "model", "prompt", "sampler", "schedule", "sigmas", "steps", "guidance", "guidance_rule",
    "guidance_low", "guidance_high", "perturbation",
)  # fmt: skip

NO_PLACE = ("regions", "upscale")  # parts of a recipe
UNKNOWN = "Not restored: the settings. It was enlarged from a picture of which they are not known."

Updates = dict[Block, Any]


class Create:
    """The tab's components and listeners. Made inside the page's Blocks; ``kept`` is the browser's memory."""

    def __init__(self, engine: Engine, gallery: Gallery, catalogue: Catalogue, kept: gr.BrowserState) -> None:
        self._engine = engine
        self._gallery = gallery
        self._catalogue = catalogue
        self.kept = kept
        self.watch = Watch(engine, gallery, kept)
        self.form = Form(catalogue.checkpoints, lambda: catalogue.files("vae"))
        with gr.Row(elem_id="create"):
            with gr.Column(elem_id="write"):
                self._write()
            with gr.Column(elem_id="canvas"):
                self.watch.pictures("min(68vh, 620px)")
                with self.watch.after:
                    self.to_edit = gr.Button("Send to Edit", elem_id="to-edit", size="sm")
                    self.to_upscale = gr.Button("Send to Upscale", elem_id="to-upscale", size="sm")
            with gr.Column(elem_id="settings"):
                self._settings()
        self.form.unmade()
        self._listen()

    # The layout

    def _write(self) -> None:
        self.form.make(
            "prompt", lines=3, max_lines=8, info=None, autofocus=True,
            placeholder="three red apples on a blue background",
        )  # fmt: skip
        prompt = Counter(self._engine, "prompt", joins=True)
        self.form.make(
            "negative", lines=1, max_lines=4, info=None, placeholder="What to leave out, if anything"
        )
        self._counters = (prompt, Counter(self._engine, "negative", joins=False))
        self._negative_hint = gr.HTML(elem_id="negative-hint")
        self.watch.buttons()
        self.rerun = Rerun(self._gallery, "restored-")
        self._examples = gr.Dataset(
            components=["textbox"], samples=[[text] for text in EXAMPLES], samples_per_page=len(EXAMPLES),
            label="Try", elem_id="examples", type="values",
        )  # fmt: skip

    def _settings(self) -> None:
        form = self.form
        with gr.Row(elem_classes="pair"):
            form.make("model", info=None)
            form.make("count", info=None)
        with gr.Row(elem_classes="pair"):
            form.make("steps", info=None)
            form.make("guidance", info=None)
        with gr.Row(elem_id="numbers"):
            with gr.Row(elem_classes="boxes"):
                form.make("width", info=None, min_width=40)
                self._swap = gr.Button("⇄", elem_id="swap", elem_classes="tool", min_width=40)
                form.make("height", info=None, min_width=40)
            with gr.Row(elem_classes=["boxes", "seed"]):
                form.make("seed", info=None, min_width=80)
                self._die = gr.Button("🎲", elem_id="die", elem_classes="tool", min_width=40)
                self._recycle = gr.Button("♻️", elem_id="recycle", elem_classes="tool", min_width=40)
        gr.HTML(HINT)
        self._additions = Additions(self._engine)
        self._influences = (
            Influences(CONTROLS, self._engine.controlnets, self._gallery),
            Influences(REFERENCES, self._engine.ip_adapters, self._gallery),
        )
        self._switched = Switched()
        with gr.Accordion("Advanced", open=False, elem_id="advanced"):
            advanced.place(form)
            start = [one.value for one in self._costly]  # pyright: ignore[reportAttributeAccessIssue]
            self._cost = gr.HTML(self._tell_cost(*start), elem_id="cost")
        self._file = gr.File(label="Restore settings from a picture", elem_id="restore", height=96)

    # The wiring

    def _listen(self) -> None:
        form, kept = self.form, self.kept
        asked = [kept, *form.components]
        self.watch.generate.click(
            self._start, self._settings_now, [*self.watch.outputs, *self.rerun.outputs], preprocess=False,
            **QUIET,
        )  # fmt: skip
        for panel in self._influences:
            for change in panel.listen():
                self.keep_after(change)
        self.watch.listen()
        restored = self._file.upload(self._restore, [self._file], [self._file, *self.reuse_outputs], **QUIET)
        self.keep_after(restored)
        chosen = form["model"].input(  # pyright: ignore[reportAttributeAccessIssue]
            self._choose, asked, form.components, preprocess=False, **QUIET
        )
        self.keep_after(chosen)
        self._quick_changes()

    def _quick_changes(self) -> None:
        """What the browser does by itself: die, swap, examples, and keeping the settings."""
        form, kept = self.form, self.kept
        size = [form["width"], form["height"]]
        changes = [
            self._die.click(None, None, [form["seed"]], js=f"() => {RANDOM}", **QUIET),
            self._recycle.click(
                None, [kept, form["seed"]], [form["seed"]], js="(kept, seed) => kept.seed ?? seed", **QUIET
            ),
            self._swap.click(None, size, size, js="(w, h) => [h, w]", **QUIET),
            self._examples.click(lambda sample: sample[0], [self._examples], [form["prompt"]], **QUIET),
        ]
        for change in (*changes, *self._additions.listen(form)):
            self.keep_after(change)
        others = [
            form[name] for name in form.names if name != "model"
        ]  # which is kept once its defaults show
        others += self._switched.components
        typed = [component.input for component in others]  # pyright: ignore[reportAttributeAccessIssue]
        gr.on(typed, None, self._settings_now, [kept], js=self._keep_js(), **QUIET)
        gr.on(
            [one.change for one in self._costly],  # pyright: ignore[reportAttributeAccessIssue]
            self._tell_cost, self._costly, [self._cost], trigger_mode="always_last", preprocess=False,
            **QUIET,
        )  # fmt: skip
        for counter in self._counters:
            counter.listen(form)
        form["guidance"].change(  # pyright: ignore[reportAttributeAccessIssue]
            None, [form["guidance"]], [self._negative_hint],
            js="""(guidance) => guidance === 1
                ? '<p class="hint">At guidance 1 the negative prompt has no effect.</p>' : ''""", **QUIET,
        )  # fmt: skip

    @property
    def _costly(self) -> list[Component]:
        return [*(self.form[name] for name in COSTLY), *self._switched.components]

    def _tell_cost(self, *values: Any) -> str:
        many = len(COSTLY)
        try:
            fields = zip(COSTLY, values[:many], strict=True)
            recipe = Recipe.read({name: self.form.typed(name, value) for name, value in fields})
            recipe = self._switched.put_into(recipe, values[many:])
            asked = cost(recipe, self._catalogue.table(recipe.model))
        except RecipeError:
            return ""  # said when it is drawn
        near, fewest = self._catalogue.converged(recipe.model)
        return show.cost(asked, recipe.sampler, near, fewest.get(recipe.sampler), recipe.tiles is not None)

    def keep_after(self, change: Dependency) -> None:
        """Once the page has changed the form, keep the settings as if they had been typed."""
        change.then(None, self._settings_now, [self.kept], js=self._keep_js(), **QUIET)

    @property
    def _settings_now(self) -> list[Component]:
        return [self.kept, *(panel.value for panel in self._influences), *self._boxes]

    @property
    def _boxes(self) -> list[Component]:
        return [*self.form.components, *self._switched.components]

    @property
    def _names(self) -> list[str]:
        return [*self.form.names, *self._switched.names]

    def _keep_js(self) -> str:
        """Put the settings, as they are in the page now, into the browser's memory."""
        return f"""(kept, controls, references, ...values) => ({{...kept, controls, references, settings:
            Object.fromEntries({self._names!r}.map((name, k) => [name, values[k]]))}})"""

    # What the listeners do

    def open(self, kept: dict[str, Any]) -> Updates:
        """A page opened or reloaded: show its settings, and the job it was watching if there is one."""
        memory = {"visitor": secrets.token_hex(8), **(kept if isinstance(kept, dict) else {})}
        found = memory.get("settings")
        settings = found if isinstance(found, dict) else {}
        updates = {**self.form.offered(), **self.form.updates(self.form.kept(settings))}
        updates |= self._switched.restored(settings)
        for panel in self._influences:
            updates |= panel.restored(memory.get(panel.kind.field))
        return {**updates, **self.watch.open(memory, str(memory["visitor"]))}

    def _start(self, kept: dict[str, Any], controls: str, references: str, *values: Any) -> Updates:
        lists = {"controls": controls, "references": references}
        try:
            recipe, user = self.read(kept, controls, references, *values)
            job = self._engine.submit(recipe, user=user)
        except (RecipeError, QueueFull) as error:
            return {self.watch.notice: show.notice(str(error))}
        settings = dict(zip(self._names, values, strict=True))
        return {**self.watch.start(job, {**kept, "settings": settings, **lists}), **self.rerun.offered()}

    @property
    def asked(self) -> list[Component]:
        """What ``read`` reads."""
        return self._settings_now

    def read(self, kept: dict[str, Any], controls: str, references: str, *values: Any) -> tuple[Recipe, str]:
        """The recipe that the page shows, and whose it is. Raises ``RecipeError``."""
        lists = {"controls": controls, "references": references}
        many = len(self.form.names)
        recipe = self._switched.put_into(self.form.read(values[:many]), values[many:])
        for panel in self._influences:
            recipe = panel.put_into(recipe, lists[panel.kind.field])
        return recipe, str(kept.get("visitor", "local"))

    def _choose(self, kept: dict[str, Any], *values: Any) -> Updates:
        """Another model: begin to load it, and show its defaults where those of the one before were shown."""
        self._engine.preload(values[self.form.names.index("model")])
        settings = kept.get("settings")
        before = str(settings.get("model", "")) if isinstance(settings, dict) else ""
        moved = self.form.updates(self.form.moved(before, values))
        return moved or {self.form["model"]: gr.skip()}  # Gradio takes no empty dict for "nothing changes"

    def draw_with(self, model: str, kept: dict[str, Any], *values: Any) -> Updates:
        """As if ``model`` had been chosen in the form, whose components show ``values``."""
        shown = [model if name == "model" else v for name, v in zip(self.form.names, values, strict=True)]
        return {**self._choose(kept, *shown), self.form["model"]: self.form.menu(model)}

    def _restore(self, file: str | None) -> Updates:
        """Settings from a dropped picture; says what of them was not understood."""
        if file is None:
            return {self._file: None}
        try:
            found = restore(Path(file))
        except (PictureError, MetadataError) as error:
            return {self.watch.notice: show.notice(str(error)), self._file: None, **self.rerun.offered()}
        return {**self.reuse(found.recipe, found.notes, found.studio), self._file: None}

    def reuse(self, recipe: Recipe, notes: tuple[str, ...] = (), studio: str = "") -> Updates:
        """Show ``recipe``, of a file of another ``studio`` if one is named, in the form."""
        if not self.form.has_model(recipe.model):
            notes = (*notes, f"Not restored: Model {recipe.model!r} is not here; the one chosen stays.")
        if not self.form.has_vae(recipe.vae):
            notes = (*notes, f"Not restored: VAE {recipe.vae!r} is not here; the one chosen stays.")
        notes = (*notes, *self.rerun.notes(recipe))
        for part in NO_PLACE if recipe.edit is None else ():  # regions go with the edit
            if getattr(recipe, part):
                title = Recipe.model_fields[part].title
                notes = (*notes, f"Not restored: {title}, which Create has no place for.")
        if not recipe.known:
            return {self.watch.notice: show.restored((*notes, UNKNOWN), studio)}
        updates = {**self.form.updates(self.form.filled(recipe)), **self._switched.of(recipe)}
        for panel in self._influences:
            updates |= panel.of(recipe)
        return {**updates, **self.rerun.offered(recipe), self.watch.notice: show.restored(notes, studio)}

    @property
    def reuse_outputs(self) -> list[Component]:
        return [self.watch.notice, *self.rerun.outputs, *self.remembered]

    @property
    def remembered(self) -> list[Component]:
        """What shows the settings."""
        lists = [one for panel in self._influences for one in panel.outputs]
        return [*lists, *self._boxes]
