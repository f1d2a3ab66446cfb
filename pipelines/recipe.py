"""The recipe: everything that decides a picture, and nothing else.

Each field declares its label, help, bounds and step once; the page's form, the command line, the docs
and the checks are made from these declarations. A recipe is frozen, versioned and round-trips through
JSON; it lives inside the file it made. It knows no networks, files or users.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from math import inf
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from pipelines.control import BALANCES, RESIZES, Control
from pipelines.declared import Choice, FieldSpec, short, spec_of
from pipelines.edit import SEAMLESS, TABLES, Edit, Hires, Tiles, Variation, steps_run
from pipelines.influence import Influence
from pipelines.prompt import parts, without_asides
from pipelines.reference import Reference
from pipelines.region import MOST as MOST_REGIONS
from pipelines.region import Region
from pipelines.upscale import Upscale
from schedulers import (
    GUIDANCE,
    SAMPLERS,
    SCHEDULES,
    SOURCES,
    Level,
    Schedule,
    Strength,
    Table,
    custom,
    read_sigmas,
)
from schedulers.levels import Unsuited

MAX_SEED = 2**32 - 1
OF_MODEL = (
    "sampler",
    "schedule",
    "steps",
    "guidance",
    "guidance_high",
    "width",
    "height",
)  # a model may have its own defaults
NOT_CHOSEN = {  # field -> what is allowed: the fields that no box of the form is for
    "version": "1 (this studio reads no other)",
    "levels": "pairs (alpha, sigma) of numbers, or none",
    "hires_levels": "pairs (alpha, sigma) of numbers, or none",
    "words": "a prompt and a negative prompt of at most 4000 characters each, or none",
    "controls": "a list of at most 4 ControlNets, each with its picture",
    "references": "a list of at most 4 reference pictures, each with its IP-Adapter",
    "regions": f"a list of at most {MOST_REGIONS} regions, each with its mask and prompt",
    "edit": "a picture to draw over and what goes with it, or none",
    "variation": "a variation seed and its strength, or none",
    "hires": "a scale and what goes with it, or none",
    "tiles": "a side and an overlap, or none",
    "upscale": "a picture to enlarge and what goes with it, or none",
}
INFLUENCES: dict[str, tuple[str, type[Influence]]] = {  # field -> what one of its list is called, and is
    "controls": ("ControlNet", Control),
    "references": ("Reference", Reference),
}
LISTS: dict[str, tuple[str, type[BaseModel]]] = {**INFLUENCES, "regions": ("Region", Region)}
NESTED: dict[str, type[BaseModel]] = {
    "edit": Edit,
    "variation": Variation,
    "hires": Hires,
    "tiles": Tiles,
    "upscale": Upscale,
}
PICTURES = ("picture", "mask", "sketch")  # fields of a part or of one of a list that name a picture
MAX_PIXELS = 1 << 24  # width * height * count of one recipe


CHOICES: dict[str, Mapping[str, Choice]] = {
    "sampler": SAMPLERS,
    "schedule": SCHEDULES,
    "guidance_rule": GUIDANCE,
    "noise": SOURCES,
    "resize": RESIZES,
    "balance": BALANCES,
    "seamless": SEAMLESS,
}


class RecipeError(ValueError):
    """A value of a recipe is not allowed. The message names the field, what was got and what is allowed."""


def _frozen(value: object) -> object:
    """JSON knows lists only."""
    if not isinstance(value, list):
        return value
    return tuple(tuple(each) if isinstance(each, list) else each for each in value)


Words: TypeAlias = Annotated[str, Field(max_length=4000)]


class Recipe(BaseModel):
    """A request for ``count`` pictures. Picture k is this recipe with ``seed + k`` and ``count=1``."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    version: Literal[1] = Field(1, title="Recipe version", description="Version of this format.")
    model: Annotated[str, Field(min_length=1, max_length=256)] = Field(
        "starter",
        title="Model",
        description="The checkpoint that draws: 'starter' or the name of one you own.",
    )
    prompt: Annotated[str, Field(max_length=4000)] = Field(
        "",
        title="Prompt",
        description="What to draw; empty draws what the model likes. AND joins prompts: a cat AND rain :0.5.",
    )
    negative: Annotated[str, Field(max_length=4000)] = Field(
        "", title="Negative prompt", description="What to steer away from. Has no effect at guidance 1."
    )
    clip_skip: Annotated[int, Field(ge=1, le=12)] = Field(
        1,
        title="Clip skip",
        description="The text encoder's layer that is read, from its end; 2 suits many anime models.",
        json_schema_extra={"step": 1},
    )
    vae: Annotated[str, Field(max_length=256)] = Field(
        "", title="VAE", description="What makes pixels of latents; empty is the model's own."
    )
    sampler: str = Field(
        "dpmpp-2m", title="Sampler", description="How noise is turned into a picture, step by step."
    )
    schedule: str = Field(
        "model", title="Schedule", description="How the noise levels of the steps are spaced."
    )
    sigmas: Annotated[str, Field(max_length=2000)] = Field(
        "",
        title="Custom sigmas",
        description="Noise levels in place of the schedule's, falling; inf is the model's noisiest.",
    )
    steps: Annotated[int, Field(ge=1, le=150)] = Field(
        20,
        title="Steps",
        description="More steps are slower and a little more exact.",
        json_schema_extra={"step": 1},
    )
    guidance: Annotated[float, Field(ge=0, le=30)] = Field(
        5.0,
        title="Guidance",
        description="How strongly the prompt is followed. 1 is the prompt alone, without the negative.",
        json_schema_extra={"step": 0.1},
    )
    guidance_rule: str = Field(
        "cfg", title="Guidance rule", description="How prompt and negative prompt combine."
    )
    perturbation: Annotated[float, Field(ge=0, le=20)] = Field(
        3.0,
        title="Perturbation",
        description="For PAG and SEG: how far from the perturbed network; 0 is plain guidance.",
        json_schema_extra={"step": 0.1},
    )
    rescale: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        title="Guidance rescale",
        description="Pulls washed-out or burnt colours back at high guidance; 0 is off, 0.7 is usual.",
        json_schema_extra={"step": 0.05},
    )
    guidance_low: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        None,
        title="Guide above sigma",
        description="Below this noise level the prompt alone draws, and faster; empty guides to the end.",
        json_schema_extra={"step": 0.01},
    )
    guidance_high: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        None,
        title="Guide up to sigma",
        description="Above this noise level the prompt alone draws, for more variety; empty guides at once.",
        json_schema_extra={"step": 0.01},
    )
    eta: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None,
        title="Eta",
        description="Fresh noise a step adds, for samplers that take it; empty is the sampler's own.",
        json_schema_extra={"step": 0.05},
    )
    noise: str = Field(
        "fresh", title="Noise", description="Where samplers that add noise at each step take it from."
    )
    width: Annotated[int, Field(ge=64, le=2048, multiple_of=8)] = Field(
        128,
        title="Width",
        description="Pixels. The model's own size looks best.",
        json_schema_extra={"step": 8},
    )
    height: Annotated[int, Field(ge=64, le=2048, multiple_of=8)] = Field(
        128,
        title="Height",
        description="Pixels. The model's own size looks best.",
        json_schema_extra={"step": 8},
    )
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = Field(
        0,
        title="Seed",
        description="The same seed and settings make the same picture.",
        json_schema_extra={"step": 1},
    )
    count: Annotated[int, Field(ge=1, le=16)] = Field(
        1,
        title="Count",
        description="How many pictures; picture k uses seed + k.",
        json_schema_extra={"step": 1},
    )

    controls: Annotated[tuple[Control, ...], Field(max_length=4), BeforeValidator(_frozen)] = Field(
        (), title="ControlNets", description="Pictures that the drawing follows, each by a ControlNet."
    )

    references: Annotated[tuple[Reference, ...], Field(max_length=4), BeforeValidator(_frozen)] = Field(
        (),
        title="Reference pictures",
        description="Pictures that the drawing takes after, each by an IP-Adapter.",
    )

    regions: Annotated[tuple[Region, ...], Field(max_length=MOST_REGIONS), BeforeValidator(_frozen)] = Field(
        (), title="Regions", description="Parts of the picture with prompts of their own."
    )

    seamless: str = Field(
        "none", title="Seamless", description="Which edges continue at the opposite one, as in a pattern."
    )
    edit: Edit | None = Field(
        None,
        title="Edit",
        description="A picture to draw over: all of it, inside a mask, or beyond its borders.",
    )
    variation: Variation | None = Field(
        None, title="Variation", description="Another picture near that of the seed."
    )
    hires: Hires | None = Field(
        None, title="Hires fix", description="A second pass over the picture, enlarged."
    )
    tiles: Tiles | None = Field(
        None, title="Tiles", description="Large pictures are drawn in parts that overlap."
    )

    upscale: Upscale | None = Field(
        None, title="Upscale", description="A picture to make larger; nothing else is drawn."
    )

    levels: Annotated[tuple[tuple[float, float], ...] | None, BeforeValidator(_frozen)] = Field(
        None,
        title="Resolved levels",
        description="(alpha, sigma) of each step as it was made, whatever the schedule comes to mean.",
    )

    hires_levels: Annotated[tuple[tuple[float, float], ...] | None, BeforeValidator(_frozen)] = Field(
        None,
        title="Resolved hires levels",
        description="The same of the steps that the second pass ran.",
    )

    words: Annotated[tuple[Words, Words] | None, BeforeValidator(_frozen)] = Field(
        None,
        title="Resolved prompts",
        description="Prompt and negative prompt with their choices made, whatever the wildcards come to say.",
    )

    @field_validator("sampler", "schedule", "guidance_rule", "seamless")
    @classmethod
    def _known(cls, value: str, info: ValidationInfo) -> str:
        return _one_of(value, CHOICES[str(info.field_name)])

    @field_validator("prompt")
    @classmethod
    def _joined(cls, value: str) -> str:
        if "{" not in value and "__" not in value:  # else each picture's choices tell
            parts(without_asides(value))
        return value

    @field_validator("sigmas")
    @classmethod
    def _falling(cls, value: str) -> str:
        if value.strip():
            read_sigmas(value)
        return value

    @field_validator("levels", "hires_levels")
    @classmethod
    def _resolved(
        cls, value: tuple[tuple[float, float], ...] | None, info: ValidationInfo
    ) -> tuple[tuple[float, float], ...] | None:
        if value is None:
            return None
        steps, of = info.data.get("steps"), "Steps"
        if info.field_name == "hires_levels" and steps is not None and "hires" in info.data:
            if (hires := info.data["hires"]) is None:
                raise ValueError(f"got {len(value)} without Hires fix; allowed without it: none.")
            steps, of = steps_run(hires.strength, hires.steps or steps), "the steps that Hires fix runs"
        if steps is not None and len(value) != steps + 1:
            raise ValueError(f"got {len(value)}; allowed: {steps + 1}, one more than {of}, or none.")
        if any(alpha < 0 or sigma < 0 or alpha + sigma == 0 for alpha, sigma in value):
            raise ValueError("got a level that is neither picture nor noise; allowed: numbers from 0 on.")
        if any(Level(*a).ve_sigma <= Level(*b).ve_sigma for a, b in pairwise(value)):
            raise ValueError("got levels whose noise does not fall; allowed: less noise at every step.")
        return value

    @field_validator("guidance_high")
    @classmethod
    def _above_low(cls, value: float | None, info: ValidationInfo) -> float | None:
        low = info.data.get("guidance_low")
        if value is not None and low is not None and value <= low:
            raise ValueError(f"got {value:g}; allowed: more than the {low:g} of 'Guide above sigma'.")
        return value

    @field_validator("eta")
    @classmethod
    def _taken(cls, value: float | None, info: ValidationInfo) -> float | None:
        if "sampler" in info.data:  # absent when it was itself refused
            SAMPLERS[info.data["sampler"]].with_eta(value)
        return value

    @field_validator("noise")
    @classmethod
    def _drawn(cls, value: str, info: ValidationInfo) -> str:
        sampler = SAMPLERS.get(info.data.get("sampler", ""))  # none when it was itself refused
        if _one_of(value, SOURCES) == "brownian" and sampler and sampler.stochastic and not sampler.path:
            told = f"got brownian, and {sampler.label} draws more than once a step or upwards"
            raise ValueError(f"{told}; allowed with it: fresh.")
        return value

    @field_validator("count")
    @classmethod
    def _fits(cls, value: int, info: ValidationInfo) -> int:
        pixels = info.data.get("width", 0) * info.data.get("height", 0)
        if value * pixels > MAX_PIXELS:
            raise ValueError(f"got {value} such pictures; allowed: at most {MAX_PIXELS // pixels}.")
        return value

    @field_validator("edit")
    @classmethod
    def _steps(cls, value: Edit | None, info: ValidationInfo) -> Edit | None:
        if value is not None and "steps" in info.data:
            with _named("Strength"):
                steps_run(value.strength, info.data["steps"])
        return value

    @field_validator("tiles")
    @classmethod
    def _unwrapped(cls, value: Tiles | None, info: ValidationInfo) -> Tiles | None:
        if value is not None and info.data.get("seamless", "none") != "none":
            raise ValueError("got some with seamless edges; allowed: one of the two.")
        return value

    @field_validator("hires")
    @classmethod
    def _second(cls, value: Hires | None, info: ValidationInfo) -> Hires | None:
        if value is None or "steps" not in info.data:
            return value
        if info.data.get("edit") is not None:
            raise ValueError("got one with an edit; allowed: one of the two.")
        with _named("Strength"):
            steps_run(value.strength, value.steps or info.data["steps"])
        pixels = info.data.get("width", 0) * info.data.get("height", 0) * info.data.get("count", 1)
        if pixels * value.scale**2 > MAX_PIXELS:
            most = (MAX_PIXELS / pixels) ** 0.5
            raise ValueError(
                f"Hires scale got {value.scale:g}; allowed for so many pixels: at most {most:.2f}."
            )
        return value

    @field_validator("upscale")
    @classmethod
    def _alone(cls, value: Upscale | None, info: ValidationInfo) -> Upscale | None:
        if value is not None:
            other = next((part for part in ("edit", "hires") if info.data.get(part) is not None), None)
            if other is not None:
                raise ValueError(f"got one with {Recipe.model_fields[other].title}; allowed: one of the two.")
            if info.data.get("count", 1) != 1:
                raise ValueError(f"got one for {info.data['count']} pictures; allowed: for one.")
        return value

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Build a recipe from untrusted values; raises ``RecipeError`` with one sentence per bad field."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise RecipeError(" ".join(map(_sentence, error.errors()))) from None

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote; raises ``RecipeError``."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise RecipeError(" ".join(map(_sentence, error.errors()))) from None

    def to_json(self) -> str:
        return self.model_dump_json()

    @property
    def known(self) -> bool:
        """Whether its settings are those that the picture was drawn with: an upscale may not know them."""
        return self.upscale is None or self.upscale.known

    @property
    def loads(self) -> str:
        """The model that has to be loaded: an upscale asks none, so the bundled one will do."""
        return self.model if self.upscale is None else str(type(self).model_fields["model"].default)

    def pictures(self) -> tuple[tuple[str, str], ...]:
        """(what it is called, its SHA-256) of every picture that it is made with."""
        parts = [(str(type(self).model_fields[name].title), getattr(self, name)) for name in NESTED]
        for name, (noun, _) in LISTS.items():
            parts += [(f"{noun} {k}", one) for k, one in enumerate(getattr(self, name), 1)]
        return tuple(
            (f"{title}, {type(part).model_fields[field].title}", named)
            for title, part in parts
            if part is not None
            for field in PICTURES
            if (named := getattr(part, field, None)) is not None
        )

    def passes(self) -> tuple[int, ...]:
        """The steps that are run for one picture, of each time that one is drawn."""
        if self.upscale is not None:
            return ()
        if self.edit is not None:
            run = steps_run(self.edit.strength, self.steps)
            return (run,) if run else ()
        if self.hires is not None:
            return self.steps, steps_run(self.hires.strength, self.hires.steps or self.steps)
        return (self.steps,)

    def path(self, table: Table) -> list[Level]:
        """The noise levels of its steps with the model of ``table``; those it was made with if it knows.

        Raises ``RecipeError`` where the model does not have them.
        """
        if self.levels is not None:
            if len(self.levels) != self.steps + 1:  # a copy with other steps
                raise RecipeError(
                    f"Resolved levels: got {len(self.levels)}; allowed: {self.steps + 1}, or none."
                )
            return [Level(*level) for level in self.levels]
        typed = bool(self.sigmas.strip())
        schedule: Schedule = custom(read_sigmas(self.sigmas)) if typed else SCHEDULES[self.schedule]
        try:
            return schedule(table, self.steps)
        except Unsuited as error:
            raise RecipeError(f"{'Custom sigmas' if typed else 'Schedule'}: {error}") from None
        except ValueError as error:
            raise RecipeError(f"Steps: {error}") from None

    def strength(self) -> Strength:
        """How strongly its pictures are guided."""
        low, high = self.guidance_low or 0.0, self.guidance_high or inf
        return Strength(self.guidance, self.rescale, low, high, self.perturbation)

    def each(self) -> tuple[Self, ...]:
        """The single-picture recipes of this one: seed + k, count 1; of variations, variation seed + k."""
        return tuple(self.model_copy(update=self._single(k)) for k in range(self.count))

    def _single(self, k: int) -> dict[str, Any]:
        if self.variation is None:
            return {"seed": (self.seed + k) % (MAX_SEED + 1), "count": 1}
        seed = (self.variation.seed + k) % (MAX_SEED + 1)
        return {"variation": self.variation.model_copy(update={"seed": seed}), "count": 1}


def random_seed() -> int:
    return secrets.randbelow(MAX_SEED + 1)


def fields() -> list[FieldSpec]:
    """Every field of the recipe that somebody chooses, in the order of its declaration."""
    return [_spec(name) for name in Recipe.model_fields if name not in NOT_CHOSEN]


def influence_fields(field: str) -> list[FieldSpec]:
    """Every field of one of the list ``field`` of the recipe: "controls", "references" or "regions"."""
    of = LISTS[field][1]
    return [_spec(name, of) for name in of.model_fields]


def part_fields(part: str) -> list[FieldSpec]:
    """Every field of the recipe's ``edit``, ``variation`` or ``hires``."""
    return [_spec(name, NESTED[part]) for name in NESTED[part].model_fields]


@cache
def _spec(name: str, of: type[BaseModel] = Recipe) -> FieldSpec:
    return spec_of(of, name, (CHOICES if of in (Recipe, Control) else TABLES).get(name, {}))


def _one_of(value: str, table: Mapping[str, Choice]) -> str:
    if value not in table:
        raise ValueError(f"got {short(value)}; allowed: one of {', '.join(table)}.")
    return value


def _sentence(error: ErrorDetails) -> str:
    """One sentence for a person: the field's label, what was got, what is allowed."""
    name = str(error["loc"][0]) if error["loc"] else ""
    ours = error["type"] == "value_error"  # it says what was got and what is allowed
    if name in LISTS and len(error["loc"]) > 2:
        noun, of = LISTS[name]
        return _inside(error, ours, f"{noun} {int(error['loc'][1]) + 1}", str(error["loc"][2]), of)
    if name in NESTED and len(error["loc"]) > 1:
        title = str(Recipe.model_fields[name].title)
        return _inside(error, ours, title, str(error["loc"][1]), NESTED[name])
    if name in NOT_CHOSEN and not ours:
        return f"{Recipe.model_fields[name].title}: got {short(error['input'])}; allowed: {NOT_CHOSEN[name]}."
    if name not in Recipe.model_fields:
        allowed = ", ".join(Recipe.model_fields)
        return f"Recipe: got the unknown setting {short(name)}; allowed: {allowed}." if name else (
            f"Recipe: got {short(error['input'])}; allowed: a JSON object of settings.")  # fmt: skip
    if ours:
        return f"{Recipe.model_fields[name].title}: {error['msg'].removeprefix('Value error, ')}"
    spec = _spec(name)
    return f"{spec.label}: got {short(error['input'])}; allowed: {spec.allowed}."


def _inside(error: ErrorDetails, ours: bool, which: str, name: str, part: type[BaseModel]) -> str:
    """One sentence on field ``name`` of a ``part`` of the recipe, which is called ``which``."""
    if name not in part.model_fields:
        return f"{which}: got the unknown setting {short(name)}; allowed: {', '.join(part.model_fields)}."
    spec = _spec(name, part)
    if ours:
        return f"{which}, {spec.label}: {error['msg'].removeprefix('Value error, ')}"
    got = "nothing" if error["type"] == "missing" else short(error["input"])
    return f"{which}, {spec.label}: got {got}; allowed: {spec.allowed}."


@contextmanager
def _named(label: str) -> Iterator[None]:
    """What is wrong with a part names its field."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{label} {error}") from None
