"""What can be put into a prompt by choosing it: styles, and LoRAs with a strength and the steps they work in.

The prompt stays the truth: choosing writes words there, which can be edited, kept and sent like any others.
Knows no layout.
"""

import re
from typing import Any

import gradio as gr

from engine import Engine
from ui import show
from ui.form import Form
from ui.watch import QUIET

NO_LORAS = "There are none yet: LoRAs are .safetensors files in the studio's folder “loras”."
WEIGHT = "Strength: got {}; allowed: a number, where 0 is without it and below 0 takes away."
WINDOW = "Steps: got from {:g} % until {:g} %; allowed: from 0 to 100, the first less than the second."


class Additions:
    """The panel's components, made where it is to stand."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with gr.Accordion("Styles and LoRAs", open=False, elem_id="additions"):
            with gr.Row(elem_classes="add"):
                self._style = gr.Dropdown(
                    self._styles(), value=None, label="Style", elem_id="style", min_width=120
                )
                self._dress = gr.Button("Apply", elem_id="apply-style", min_width=60, scale=0)
            with gr.Row(elem_classes="add"):
                self._lora = gr.Dropdown(
                    self._loras(), value=None, label="LoRA", elem_id="lora", min_width=120
                )
                self._put = gr.Button("Add", elem_id="add-lora", min_width=60, scale=0)
            self._weight = gr.Slider(-2, 2, 1, step=0.05, label="Strength", elem_id="lora-weight", buttons=[])
            with gr.Row(elem_classes="pair"):
                self._begin = gr.Number(0, label="From % of the steps", elem_id="lora-from")
                self._end = gr.Number(100, label="Until %", elem_id="lora-until")
            self._hint = gr.HTML(self._told(), elem_id="additions-hint")

    def listen(self, form: Form) -> list[Any]:
        """Returns the changes of the form, which are to be kept."""
        prompt, negative = form["prompt"], form["negative"]
        self._style.focus(lambda: gr.update(choices=self._styles()), None, [self._style], **QUIET)
        self._lora.focus(self._look, None, [self._lora, self._hint], **QUIET)
        return [
            self._dress.click(
                self.dressed, [self._style, prompt, negative], [prompt, negative, self._hint], **QUIET
            ),
            self._put.click(
                self.added,
                [self._lora, self._weight, self._begin, self._end, prompt],
                [prompt, self._hint],
                **QUIET,
            ),
        ]

    def dressed(self, name: str | None, prompt: str, negative: str) -> tuple[Any, Any, str]:
        """(prompt, negative, hint) with the style's words around them."""
        found = next((style for style in self._engine.styles() if style.name == name), None)
        if found is None:
            return (
                gr.skip(),
                gr.skip(),
                show.notice(f"Style: got {name or 'none'}; allowed: one of the list."),
            )
        return *found.around(prompt, negative), self._told()

    def added(
        self, name: str | None, weight: float | None, begin: float | None, end: float | None, prompt: str
    ) -> tuple[Any, str]:
        """(prompt, hint): the prompt with that LoRA, in place of itself where it was there before."""
        if name not in self._loras():
            return gr.skip(), show.notice(f"LoRA: got {name or 'none'}; allowed: one of the list.")
        if weight is None:
            return gr.skip(), show.notice(WEIGHT.format("nothing"))
        begin, end = 0.0 if begin is None else begin, 100.0 if end is None else end
        if not 0 <= begin < end <= 100:
            return gr.skip(), show.notice(WINDOW.format(begin, end))
        return with_lora(prompt, name, weight, begin / 100, end / 100), self._told()

    def _look(self) -> tuple[Any, str]:
        return gr.update(choices=self._loras()), self._told()

    def _told(self) -> str:
        """What must be said beside the lists."""
        return "" if self._loras() else f'<p class="hint">{NO_LORAS}</p>'

    def _loras(self) -> list[str]:
        """Those that a prompt can name."""
        return [name for name in self._engine.loras() if nameable(name)]

    def _styles(self) -> list[str]:
        try:
            return [style.name for style in self._engine.styles()]
        except ValueError:  # of a host's file, told when the studio starts
            return []


def nameable(name: str) -> bool:
    """Whether a prompt can name the LoRA."""
    return not set(name) & set(":<>#")


def with_lora(prompt: str, name: str, weight: float = 1.0, begin: float = 0.0, end: float = 1.0) -> str:
    """``prompt`` with the LoRA from ``begin`` to ``end`` of the steps, in place of itself if it was there."""
    tag = written(name, weight, begin, end)
    if (there := _windows(name)).search(prompt):
        partly = ":partial>"  # is written by hand, and stays
        return there.sub(
            lambda found: tag.replace(">", partly) if partly in found[0] else tag, prompt, count=1
        )
    return f"{prompt.rstrip()} {tag}".lstrip()


def written(name: str, weight: float, begin: float, end: float) -> str:
    """The LoRA as a prompt has it, from ``begin`` to ``end`` of the steps."""
    tag = f"<lora:{name}:{weight:g}>"
    if begin > 0:
        tag = f"[{tag}:{_share(begin)}]"
    return f"[{tag}::{_share(end)}]" if end < 1 else tag


def _windows(name: str) -> re.Pattern[str]:
    """Matches what ``written`` writes for that LoRA, whatever its strength and steps."""
    tag, at = rf"<lora:{re.escape(name)}(?::[^<>]*)?>", r"\d*\.\d*\]"
    return re.compile(rf"\[\[{tag}:{at}::{at}|\[{tag}::?{at}|{tag}")


def _share(part: float) -> str:
    return f"{part:.3f}".rstrip("0")
