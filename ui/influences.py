"""The panels of pictures that a drawing follows (by ControlNets) or takes after (by IP-Adapters).

Each picture is shown as it will be seen. What was added is a list of the recipe's, as JSON in a box that
nobody sees. Knows no layout.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.events import Dependency
from PIL import Image, ImageOps

from engine import PREPROCESSORS, preprocess
from gallery import Gallery, PictureError
from gallery.inputs import conversions, upright
from gallery.pictures import depth_of, open_picture
from pipelines.recipe import FieldSpec, Recipe, RecipeError, influence_fields
from ui import show
from ui.watch import QUIET

AS_IT_IS = ""  # the preprocessor of a picture that is what the ControlNet reads
ON_BLACK = "The picture's transparent parts are seen as black."
DROPPED = "The picture's transparency was dropped: the preprocessor sees the colours below it."
MOST_CHARACTERS = 10_000  # of the list

Updates = dict[Block, Any]


@dataclass(frozen=True)
class Kind:
    """What differs between the panels."""

    field: str  # of the recipe
    reader: str  # its setting that names what reads the picture
    name: str  # of the page's elements
    add: str
    clear: str
    empty: str  # what is said where there are no readers
    preprocessed: bool = False
    choices: tuple[str, ...] = ()  # settings that are chosen from tables

    @property
    def title(self) -> str:
        return str(Recipe.model_fields[self.field].title)


CONTROLS = Kind(
    "controls", "net", "control", "Follow", "Follow nothing",
    "There are none yet: ControlNets are .safetensors files in the studio's folder “controlnets”.",
    preprocessed=True, choices=("resize", "balance"),
)  # fmt: skip
REFERENCES = Kind(
    "references", "adapter", "reference", "Add", "Remove all",
    "There are none yet: IP-Adapters are .safetensors files in the studio's folder “ip-adapters”; the image "
    "encoder that they see by belongs into “image-encoders”.",
)  # fmt: skip


class Influences:
    """One panel's components, made where it is to stand. ``readers`` are the names to choose from now;
    ``prefix`` begins the components' ids, which must differ where a page has several panels of a kind."""

    def __init__(
        self, kind: Kind, readers: Callable[[], Collection[str]], gallery: Gallery, prefix: str = ""
    ) -> None:
        self.kind = kind
        self._prefix = prefix
        self._readers = readers
        self._gallery = gallery
        self._specs = {spec.name: spec for spec in influence_fields(kind.field)}
        name, field = f"{prefix}{kind.name}", f"{prefix}{kind.field}"
        with gr.Accordion(kind.title, open=False, elem_id=field):
            self._looks()
            with gr.Row(elem_classes="add"):
                self._reader = gr.Dropdown(
                    list(readers()), value=None, label=self._specs[kind.reader].label,
                    elem_id=f"{name}-reader", min_width=120,
                )  # fmt: skip
                self._add = gr.Button(kind.add, elem_id=f"{prefix}add-{kind.name}", min_width=60, scale=0)
            self._settings = self._make_settings()
            self._hint = gr.HTML(self._told(), elem_id=f"{field}-hint")
            self._list = gr.HTML(elem_id=f"{field}-list", elem_classes="influences")
            self._clear = gr.Button(
                kind.clear, visible=False, elem_id=f"{prefix}clear-{kind.field}", size="sm"
            )
        self.value = gr.Textbox("[]", visible="hidden", elem_id=f"{prefix}field-{kind.field}")
        self._name = gr.Textbox("", visible="hidden", elem_id=f"{name}-name")  # of the picture that is seen

    def _looks(self) -> None:
        """The picture, as it was given and as it is seen."""
        name = f"{self._prefix}{self.kind.name}"
        with gr.Row(elem_classes="looks"):
            self._file = gr.Image(
                label="Picture", type="filepath", sources=["upload", "clipboard"], elem_id=f"{name}-file",
                height=220, buttons=[],
            )  # fmt: skip
            self._made = gr.Image(
                label="As it is seen", interactive=False, elem_id=f"{name}-made", height=220,
                buttons=["fullscreen"],
            )  # fmt: skip
        self._looked: list[Component] = [self._file]
        if self.kind.preprocessed:
            self._looked.append(
                gr.Dropdown(
                    _preprocessors(),
                    value=AS_IT_IS,
                    label="Preprocessor",
                    elem_id=f"{self._prefix}preprocessor",
                )  # fmt: skip
            )

    def _make_settings(self) -> list[Component]:
        """How strongly it counts, in which steps, and what is chosen from tables."""
        name, weight = f"{self._prefix}{self.kind.name}", self._specs["weight"]
        assert weight.minimum is not None and weight.maximum is not None
        slider = gr.Slider(
            weight.minimum, weight.maximum, 1, step=weight.step, label=weight.label,
            elem_id=f"{name}-weight", buttons=[],
        )  # fmt: skip
        made: list[Component] = [slider]
        with gr.Row(elem_classes="pair"):
            made.append(gr.Number(0, label="From % of the steps", elem_id=f"{name}-from"))
            made.append(gr.Number(100, label="Until %", elem_id=f"{name}-until"))
        if self.kind.choices:
            with gr.Row(elem_classes="pair"):
                made += [_choice(self._specs[one], f"{name}-{one}") for one in self.kind.choices]
        return made

    @property
    def outputs(self) -> list[Component]:
        """What ``shown`` changes."""
        return [self.value, self._list, self._clear]

    def listen(self) -> list[Dependency]:
        """Wire the panel; returns the changes of the list, which are to be kept."""
        sees = [self._made, self._name, self._hint]
        file, *others = self._looked
        changes = [file.change, *(one.input for one in others)]  # pyright: ignore[reportAttributeAccessIssue]
        # What was seen before is not added while the new one is made.
        changed = gr.on(changes, None, None, [self._name], js="() => ''", **QUIET)
        changed.then(self._look, self._looked, sees, trigger_mode="always_last", **QUIET)
        self._reader.focus(lambda: gr.update(choices=list(self._readers())), None, [self._reader], **QUIET)
        given = [self.value, self._name, self._reader, *self._settings]
        return [
            self._add.click(self._added, given, [*self.outputs, self._hint], **QUIET),
            self._clear.click(lambda: self.shown([]), None, self.outputs, **QUIET),
        ]

    def put_into(self, recipe: Recipe, text: str) -> Recipe:
        """``recipe`` with the list that the page holds. Raises ``RecipeError``."""
        return Recipe.read(recipe.model_dump() | {self.kind.field: self._read(text)})

    def of(self, recipe: Recipe) -> Updates:
        """The list shows that of ``recipe``."""
        return self.shown(recipe.model_dump()[self.kind.field])

    def shown(self, some: Collection[Any]) -> Updates:
        """The list shows ``some``, as far as a recipe may have them."""
        try:
            kept = getattr(Recipe.read({self.kind.field: list(some)}), self.kind.field)
        except RecipeError:
            kept = ()
        return {
            self.value: json.dumps([one.model_dump() for one in kept]),
            self._list: show.influences(kept),
            self._clear: gr.update(visible=bool(kept)),
        }

    def restored(self, kept: object) -> Updates:
        """The list as a browser kept it."""
        try:
            return self.shown(self._read(kept)) if isinstance(kept, str) else {}
        except RecipeError:
            return {}

    def _look(self, file: str | None, preprocessor: str = AS_IT_IS) -> Updates:
        """Show, and keep, what would be seen."""
        if file is None:
            return {self._made: None, self._name: "", self._hint: self._told()}
        try:
            opened = open_picture(file)
            picture, said = upright(opened), conversions(opened, depth_of(file))
            if picture.mode == "RGBA":
                said = (*said, DROPPED if preprocessor != AS_IT_IS else ON_BLACK)
            if preprocessor != AS_IT_IS:
                picture = preprocess(picture, preprocessor)
            kept = self._gallery.inputs.add(picture)
        except (PictureError, ValueError) as error:
            return {self._made: None, self._name: "", self._hint: show.notice(str(error))}
        except OSError as error:
            lost = show.notice(f"Picture: it could not be kept: {error.strerror}.")
            return {self._made: None, self._name: "", self._hint: lost}
        seen = picture if self.kind.preprocessed else _middle(picture)
        return {self._made: seen, self._name: kept, self._hint: show.good_news(*said) + self._told()}

    def _added(self, text: str, picture: str, reader: str | None, *settings: Any) -> Updates:
        if not picture:
            said = "Picture: got none that is seen yet; allowed: PNG, JPEG or WebP."
            return {self._hint: show.notice(said)}
        if reader not in self._readers():
            noun = self._specs[self.kind.reader].label
            return {self._hint: show.notice(f"{noun}: got {reader or 'none'}; allowed: one of the list.")}
        weight, start, end, *chosen = settings
        given = {self.kind.reader: reader, "picture": picture, "weight": weight}
        given |= zip(self.kind.choices, chosen, strict=True)
        try:
            given |= {"start": _share("From", start), "end": _share("Until", end)}
            kept = Recipe.read({self.kind.field: [*self._read(text), given]})
        except RecipeError as error:
            return {self._hint: show.notice(str(error))}
        return {**self.of(kept), self._hint: self._told()}

    def _told(self) -> str:
        return "" if self._readers() else show.hint(self.kind.empty)

    def _read(self, text: str) -> list[Any]:
        try:
            some = json.loads(text[: MOST_CHARACTERS + 1])
        except (ValueError, RecursionError):
            some = None
        if not isinstance(some, list):
            raise RecipeError(f"{self.kind.title}: got {text[:40]!r}; allowed: a list of at most 4.")
        return some


def _middle(picture: Image.Image) -> Image.Image:
    """The square that an image encoder sees, on black where it is transparent."""
    side = min(picture.size)
    black = Image.new("RGBA", picture.size, "black")
    whole = Image.alpha_composite(black, picture.convert("RGBA")).convert("RGB")
    return ImageOps.fit(whole, (side, side))


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


def _choice(spec: FieldSpec, name: str) -> Component:
    choices = [(choice.label, choice.name) for choice in spec.choices]
    return gr.Dropdown(choices, value=str(spec.default), label=spec.label, elem_id=name)
