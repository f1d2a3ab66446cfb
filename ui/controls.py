"""The panel of pictures that a drawing follows: each, what a preprocessor makes of it, and the ControlNet.

What was added is a list of the recipe's ``controls``, as JSON in a box that nobody sees. Knows no layout.
"""

import json
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.events import Dependency

from engine import PREPROCESSORS, Engine, preprocess
from gallery import Gallery, PictureError
from gallery.inputs import upright
from gallery.pictures import open_picture
from pipelines.recipe import Control, FieldSpec, Recipe, RecipeError, influence_fields
from ui import show

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
AS_IT_IS = ""  # the preprocessor of a picture that is what the ControlNet reads
NO_NETS = "There are none yet: ControlNets are .safetensors files in the studio's folder “controlnets”."
MOST_CHARACTERS = 10_000  # of the list

Updates = dict[Block, Any]


class Controls:
    """The panel's components, made where it is to stand."""

    def __init__(self, engine: Engine, gallery: Gallery) -> None:
        self._engine = engine
        self._gallery = gallery
        specs = {spec.name: spec for spec in influence_fields("controls")}
        with gr.Accordion("ControlNets", open=False, elem_id="controls"):
            with gr.Row(elem_classes="looks"):
                self._file = gr.Image(
                    label="Picture", type="filepath", sources=["upload", "clipboard"], elem_id="control-file",
                    height=220, buttons=[],
                )  # fmt: skip
                self._made = gr.Image(
                    label="As it is seen", interactive=False, elem_id="control-made", height=220,
                    buttons=["fullscreen"],
                )  # fmt: skip
            self._preprocessor = gr.Dropdown(
                _preprocessors(), value=AS_IT_IS, label="Preprocessor", elem_id="preprocessor",
            )  # fmt: skip
            with gr.Row(elem_classes="add"):
                self._net = gr.Dropdown(
                    self._nets(), value=None, label="ControlNet", elem_id="controlnet", min_width=120
                )
                self._add = gr.Button("Follow", elem_id="add-control", min_width=60, scale=0)
            self._weight = gr.Slider(
                0, 2, 1, step=specs["weight"].step, label="Weight", elem_id="control-weight", buttons=[]
            )
            with gr.Row(elem_classes="pair"):
                self._start = gr.Number(0, label="From % of the steps", elem_id="control-from")
                self._end = gr.Number(100, label="Until %", elem_id="control-until")
            with gr.Row(elem_classes="pair"):
                self._resize = _choice(specs["resize"])
                self._balance = _choice(specs["balance"])
            self._hint = gr.HTML(self._told(), elem_id="controls-hint")
            self._list = gr.HTML(elem_id="controls-list")
            self._clear = gr.Button("Follow nothing", visible=False, elem_id="clear-controls", size="sm")
        self.value = gr.Textbox("[]", visible="hidden", elem_id="field-controls")
        self._name = gr.Textbox("", visible="hidden", elem_id="control-name")  # of what the ControlNet sees

    @property
    def outputs(self) -> list[Component]:
        """What ``shown`` changes."""
        return [self.value, self._list, self._clear]

    def listen(self) -> list[Dependency]:
        """Wire the panel; returns the changes of the list, which are to be kept."""
        looked = [self._file, self._preprocessor]
        sees = [self._made, self._name, self._hint]
        changed = gr.on(  # what was seen before is not followed while the new one is made
            [self._file.change, self._preprocessor.input], None, None, [self._name], js="() => ''", **QUIET
        )
        changed.then(self._look, looked, sees, trigger_mode="always_last", **QUIET)
        self._net.focus(lambda: gr.update(choices=self._nets()), None, [self._net], **QUIET)
        settings = [self._weight, self._start, self._end, self._resize, self._balance]
        given = [self.value, self._name, self._net, *settings]
        return [
            self._add.click(self._follow, given, [*self.outputs, self._hint], **QUIET),
            self._clear.click(lambda: self.shown([]), None, self.outputs, **QUIET),
        ]

    def put_into(self, recipe: Recipe, text: str) -> Recipe:
        """``recipe`` with the list that the page holds. Raises ``RecipeError``."""
        return Recipe.read(recipe.model_dump() | {"controls": _read(text)})

    def shown(self, controls: list[Any]) -> Updates:
        """The list shows ``controls``, as far as a recipe may have them."""
        try:
            kept = Recipe.read({"controls": controls}).controls
        except RecipeError:
            kept = ()
        text = json.dumps([control.model_dump() for control in kept])
        return {
            self.value: text,
            self._list: show.influences(kept),
            self._clear: gr.update(visible=bool(kept)),
        }

    def restored(self, kept: object) -> Updates:
        """The list as a browser kept it."""
        try:
            return self.shown(_read(kept)) if isinstance(kept, str) else {}
        except RecipeError:
            return {}

    def _look(self, file: str | None, name: str) -> Updates:
        """Show, and keep, what the ControlNet would see."""
        if file is None:
            return {self._made: None, self._name: "", self._hint: self._told()}
        try:
            picture = upright(open_picture(file))
            if name != AS_IT_IS:
                picture = preprocess(picture, name)
            kept = self._gallery.inputs.add(picture)
        except (PictureError, ValueError) as error:
            return {self._made: None, self._name: "", self._hint: show.notice(str(error))}
        except OSError as error:
            said = show.notice(f"Picture: it could not be kept: {error.strerror}.")
            return {self._made: None, self._name: "", self._hint: said}
        return {self._made: picture, self._name: kept, self._hint: self._told()}

    def _follow(self, text: str, picture: str, net: str | None, *settings: Any) -> Updates:
        weight, start, end, resize, balance = settings
        if not picture:
            return {
                self._hint: show.notice("Picture: got none that is seen yet; allowed: PNG, JPEG or WebP.")
            }
        if net not in self._nets():
            return {self._hint: show.notice(f"ControlNet: got {net or 'none'}; allowed: one of the list.")}
        control = {"net": net, "picture": picture, "weight": weight, "resize": resize, "balance": balance}
        try:
            given = control | {"start": _share("From", start), "end": _share("Until", end)}
            controls = Recipe.read({"controls": [*_read(text), given]}).controls
        except RecipeError as error:
            return {self._hint: show.notice(str(error))}
        return {**self.shown([one.model_dump() for one in controls]), self._hint: self._told()}

    def _told(self) -> str:
        return "" if self._nets() else f'<p class="hint">{NO_NETS}</p>'

    def _nets(self) -> list[str]:
        return list(self._engine.controlnets())


def _read(text: str) -> list[Any]:
    try:
        controls = json.loads(text[: MOST_CHARACTERS + 1])
    except (ValueError, RecursionError):
        controls = None
    if not isinstance(controls, list):
        raise RecipeError(f"ControlNets: got {text[:40]!r}; allowed: a list of at most 4.")
    return controls


def _share(which: str, percent: float | None) -> float:
    if percent is None or not 0 <= percent <= 100:
        raise RecipeError(f"{which}: got {'nothing' if percent is None else percent}; allowed: 0 to 100 %.")
    return percent / 100


def _preprocessors() -> list[tuple[str, str]]:
    """(label, name); those that lack weights say how much there is to fetch."""
    found = [("None: it is one already", AS_IT_IS)]
    for one in PREPROCESSORS.values():
        size = sum(one.weights[file] for file in one.missing()) if one.weights else 0
        found.append((f"{one.label} (needs {size} MB)" if size else one.label, one.name))
    return found


def _choice(spec: FieldSpec) -> Component:
    choices = [(choice.label, choice.name) for choice in spec.choices]
    start = str(Control.model_fields[spec.name].default)
    return gr.Dropdown(choices, value=start, label=spec.label, elem_id=f"control-{spec.name}")
