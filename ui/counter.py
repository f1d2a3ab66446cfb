"""The line below a prompt's box: how long the prompt is, and what seems wrong with it. Knows no layout."""

import gradio as gr

from engine import Engine
from pipelines.recipe import fields
from ui import show
from ui.form import Form
from ui.watch import QUIET


class Counter:
    """Made where it is to stand; ``joins`` says whether AND joins prompts in that box."""

    def __init__(self, engine: Engine, name: str, joins: bool) -> None:
        self._engine = engine
        self._name = name
        self._joins = joins
        self._most = next(spec.max_length or 0 for spec in fields() if spec.name == name)
        self._line = gr.HTML(elem_id=f"{name}-count")

    def listen(self, form: Form) -> None:
        form[self._name].change(  # pyright: ignore[reportAttributeAccessIssue]
            self.count, [form[self._name], form["model"]], [self._line], trigger_mode="always_last", **QUIET
        )

    def count(self, text: str, model: str) -> str:
        """Nothing for a text that is too long to be drawn from, which is said when it is drawn."""
        if not isinstance(text, str) or len(text) > self._most:
            return show.NOTHING
        return show.counted(self._engine.counted(model, text, self._joins))
