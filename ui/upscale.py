"""Edit's panel that makes the picture on the canvas larger. How it is done is not known here."""

from typing import Any

import gradio as gr
from gradio.blocks import Block, BlockContext
from gradio.components import Component

from engine import Engine, QueueFull
from gallery import Gallery, PictureError
from gallery.enlarged import enlarged
from pipelines.recipe import Recipe, RecipeError, part_fields
from pipelines.recipe import Upscale as Asked
from ui import show
from ui.easel import Easel, Given
from ui.watch import QUIET, Updates, Watch

SAID = (
    "The whole picture, larger and otherwise the same. Upscalers (ESRGAN and its kin, as .safetensors) go "
    "into the folder “upscalers” of the studio, or come with an opened model folder."
)


class Upscale:
    """Made where it is to stand. ``watch`` shows the job; ``gallery`` knows what drew a picture."""

    def __init__(self, engine: Engine, gallery: Gallery, easel: Easel, watch: Watch) -> None:
        self._engine, self._gallery, self._easel, self._watch = engine, gallery, easel, watch
        specs = {spec.name: spec for spec in part_fields("upscale")}
        scale = specs["scale"]
        with gr.Accordion("Upscale", open=False, elem_id="edit-upscale") as self.panel:
            gr.HTML(show.hint(SAID))
            with gr.Row(elem_classes="pair"):
                self._by = gr.Dropdown(
                    self._choices(), value=str(specs["upscaler"].default), label=specs["upscaler"].label,
                    elem_id="upscale-by",
                )  # fmt: skip
                self._scale = gr.Number(
                    2.0, label=scale.label, minimum=scale.minimum, maximum=scale.maximum,
                    step=scale.step or 1, elem_id="upscale-scale",
                )  # fmt: skip
            self._go = gr.Button("Upscale the picture", elem_id="upscale-go", size="sm")

    def listen(self, visitor: gr.BrowserState, kept: gr.BrowserState) -> None:
        """``visitor`` is Create's memory, ``kept`` that of the watch."""
        self._by.focus(lambda: gr.update(choices=self._choices()), None, [self._by], **QUIET)
        self._go.click(
            self._start, [visitor, kept, self._by, self._scale, *self._easel.given], self._watch.outputs,
            preprocess=False, js="(...all) => [...all.slice(0, -4), ...AtelierEdit.given()]", **QUIET,
        )  # fmt: skip

    @property
    def outputs(self) -> list[Component | BlockContext]:
        """What ``again`` changes, beside the canvas and the notice."""
        return [self.panel, self._by, self._scale]

    def again(self, upscale: Asked) -> dict[Block, Any]:
        """Show all that made an enlarged picture: the one before on the canvas, by what, how much larger."""
        told, label = "", ""
        try:
            told = self._easel.name(upscale.picture)
        except KeyError:
            label = f"Picture: got {upscale.picture[:12]}…, which is not here; allowed: one that is."
        except PictureError as error:
            label = str(error)
        choices = self._choices()
        by = gr.update(choices=choices, value=upscale.upscaler)
        if upscale.upscaler not in [name for _, name in choices]:
            by = gr.update(choices=choices)
            label += f" Not restored: Upscaler {upscale.upscaler!r} is not here; the one chosen stays."
        said = show.notice(label.strip()) or show.good_news("The upscale was restored.")
        return {
            self._easel.told: told,
            self._watch.notice: said,
            self.panel: gr.update(open=True),
            self._by: by,
            self._scale: gr.update(value=upscale.scale),
        }

    def _choices(self) -> list[tuple[str, str]]:
        return [("Lanczos", "lanczos"), *((name, name) for name in self._engine.upscalers())]

    def _start(
        self, visitor: dict[str, Any] | None, kept: dict[str, Any] | None, by: object, scale: object,
        *given: object,
    ) -> Updates:  # fmt: skip
        visitor, kept = visitor or {}, kept or {}  # none where the page has not opened yet
        try:
            edit, _ = self._easel.read(Given(given[0], "", "", ""))
            factor = float(scale) if isinstance(scale, int | float) else scale
            before = self._gallery.drawn(edit["picture"])
            asked = {"picture": edit["picture"], "upscaler": by, "scale": factor}
            recipe = Recipe.read(enlarged(before and before.recipe, asked))
            job = self._engine.submit(recipe, user=str(visitor.get("visitor", "local")))
        except (RecipeError, PictureError, QueueFull) as error:
            return {self._watch.notice: show.notice(str(error))}
        return self._watch.start(job, kept)
