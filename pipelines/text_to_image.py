"""The story of a picture from text: encode, sample, decode. Asks for everything, runs nothing."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor

from adapters import Hints, Likenesses, Uses
from models import Context, Parts
from pipelines.begin import FROM_NOISE, Begin, noise_of, salted
from pipelines.hints import Followed, followed, hints_at
from pipelines.influences import AWAY
from pipelines.materials import Materials
from pipelines.recipe import Recipe, RecipeError
from pipelines.references import Taken, likenesses_at, taken, wanted
from pipelines.regions import Place, places_of
from pipelines.requests import Decode, Denoise, Pipeline, Request, Step
from pipelines.side_by_side import Drawing, side_by_side
from pipelines.staged import Staged, Steps, staged
from pipelines.texts import Texts, check_texts, heard_in, texts_of, uses_of, worded, words_of
from schedulers import (
    GUIDANCE,
    SAMPLERS,
    SOURCES,
    Level,
    Sampler,
    evaluations,
)
from schedulers.ask import Guiding, Sampling
from schedulers.guidance import Guide
from schedulers.guidance.compose import composed
from schedulers.guidance.regional import Area, regional, text_anywhere, text_in

NOTHING = Materials()


def text_to_image(recipe: Recipe, parts: Parts, materials: Materials = NOTHING) -> Pipeline:
    """The pictures of ``recipe`` as a generator of requests, with what it names of ``materials``.

    Raises ``RecipeError`` at once.
    """
    check_drawing(recipe, parts, materials)
    return _tell(recipe, parts, materials)


def check_drawing(recipe: Recipe, parts: Parts, materials: Materials = NOTHING) -> None:
    """What only the model knows: its size multiple, longest texts, number of levels, companion and what
    LoRAs, ControlNets and IP-Adapters fit it."""
    rule = GUIDANCE[recipe.guidance_rule]
    for field, size in (("Width", recipe.width), ("Height", recipe.height)):
        if size % parts.size_multiple:
            raise RecipeError(f"{field}: got {size}; allowed: multiples of {parts.size_multiple}.")
    check_texts(recipe, parts, materials)
    followed(recipe, parts, materials)
    wanted(recipe, materials)
    places_of(recipe, parts, materials)
    if parts.weak is None and any(b.network == "weak" for b in rule.asks(recipe.strength())):
        others = ", ".join(name for name in GUIDANCE if name != rule.name)
        told = f"got {rule.name}, and model {parts.name!r} has no weaker companion; allowed: {others}."
        raise RecipeError(f"Guidance rule: {told}")
    recipe.path(parts.table)


def _tell(recipe: Recipe, parts: Parts, materials: Materials) -> Pipeline:
    latents = yield from latents_of(recipe, parts, materials)
    return (yield Decode(latents))


def latents_of(
    recipe: Recipe, parts: Parts, materials: Materials, begin: Begin = FROM_NOISE
) -> Generator[Request, Any, Tensor]:
    """The drawing itself: every step of ``recipe`` over what it begins with, up to the latents."""
    images = recipe.each()
    seeds = tuple(salted(each.seed, begin.salt) for each in images)
    shape = (parts.latent_channels, recipe.height // parts.scale_factor, recipe.width // parts.scale_factor)
    levels = recipe.path(parts.table)
    rule = GUIDANCE[recipe.guidance_rule]
    places = places_of(recipe, parts, materials)
    texts = [tuple(texts_of(heard_in(one, its.number)) for its in places) for one in map(worded, images)]
    windows: dict[Texts, tuple[Window, ...]] = {}
    for one in dict.fromkeys(one for each in texts for one in each):
        windows[one] = yield from _windows(one, materials)
    given = Given(followed(recipe, parts, materials), (yield from taken(wanted(recipe, materials))))
    x = begin.at(levels[0], noise_of(images, shape, begin.salt).to(parts.device))
    sampler = SAMPLERS[recipe.sampler].with_eta(recipe.eta)

    def drawing(rows: slice) -> Drawing:
        """The pictures of ``rows``, which are of the same texts, guided on their own."""
        single = rule.begin(recipe.strength(), levels)
        noise = SOURCES[recipe.noise].make(seeds[rows], shape, levels, parts.device)
        done = _by_level(levels) if sampler.alone else _by_count(sampler, levels)
        steps = Steps(sampler, levels)
        sampling = begin.around(sampler(x[rows], levels, noise), steps)
        heard = Heard(places, texts[rows][0], [windows[one] for one in texts[rows][0]])
        return _sample(sampling, lambda ask: heard.guided(single(ask)), heard, given, steps, done)

    if sampler.alone or len(set(texts)) > 1:
        each = [drawing(slice(k, k + 1)) for k in range(len(seeds))]
        return (yield from begin.beside(side_by_side(each)))
    return (yield from begin.beside(drawing(slice(None))))


class Given(NamedTuple):
    """The pictures that a drawing follows and takes after."""

    hints: tuple[Followed, ...]
    references: tuple[Taken, ...]

    def at(self, steps: Steps, asked: int, level: Level, text: str) -> tuple[Hints, Likenesses]:
        """Those of an ask at ``level`` after ``asked`` others under ``text``, one of the guidance's."""
        where = (steps, asked, level, text)
        return hints_at(self.hints, *where), likenesses_at(self.references, *where)


class Spoken(NamedTuple):
    """A text of the guidance as it is asked now: its context of one row, and the LoRAs under it."""

    context: Context
    loras: Uses


@dataclass(frozen=True)
class Heard:
    """The texts of one drawing, and their windows, in each of its ``places``."""

    places: Sequence[Place]
    texts: Sequence[Texts]
    windows: "Sequence[tuple[Window, ...]]"

    def guided(self, guiding: Guiding) -> Guiding:
        """``guiding``, asked in every place under the prompts that are joined there."""
        guiding = regional(guiding, self._areas)
        for place, texts in enumerate(self.texts):
            guiding = composed(guiding, texts.weights, place)
        return guiding

    @cached_property
    def _areas(self) -> list[Area]:
        """What a place says differently has a name of its own. Texts that are guided away from are the same
        everywhere but where other LoRAs act, or longer prompts made their rows longer."""
        areas = [Area(self.places[0].share)]
        first = self.windows[0]
        for place, windows in enumerate(self.windows[1:], 1):
            same = [(its.last, its.loras) for its in windows] == [(its.last, its.loras) for its in first]
            same = same and _rows(windows) == _rows(first)
            own = [text for text in windows[0].contexts if not (same and text in AWAY)]
            areas.append(Area(self.places[place].share, {text: text_in(text, place) for text in own}))
        return areas

    def at(self, steps: Steps, asked: int, level: Level) -> dict[str, Spoken]:
        """By name, those of an ask at ``level`` after ``asked`` others."""
        found: dict[str, Spoken] = {}
        for place, windows in enumerate(self.windows):
            window = next(its for its in windows if not steps.over(its.last, asked, level))
            for text, its in window.contexts.items():
                found[text_in(text, place)] = Spoken(its.at(steps, asked, level), window.loras)
        return found


class Window(NamedTuple):
    """Steps that are drawn with the same LoRAs, and what their texts say with them."""

    last: int  # step, from 1
    loras: Uses
    contexts: Mapping[str, Staged]  # by branch


def _rows(windows: Sequence[Window]) -> int:
    """How long the rows of their contexts are."""
    return next(iter(windows[0].contexts.values())).rows[0].hidden.shape[1]


def _windows(texts: Texts, materials: Materials) -> Generator[Request, Any, tuple[Window, ...]]:
    """Those of ``texts``, asked for once for each set of LoRAs."""
    encoded: dict[Uses, dict[str, Staged]] = {}
    found, words = uses_of(texts, materials.lora), words_of(texts, materials)
    for loras in dict.fromkeys(loras for _, loras in found):
        encoded[loras] = staged(texts, (yield texts.encode(loras, words)))
    return tuple(Window(last, loras, encoded[loras]) for last, loras in found)


Done: TypeAlias = Callable[[int, Level], tuple[int, int]]
"""(asks answered, the level of the last one) -> (steps done, of how many)."""


def _by_count(sampler: Sampler, levels: Sequence[Level]) -> Done:
    steps, whole = len(levels) - 1, evaluations(sampler, levels)
    return lambda asked, level: (asked * steps // whole, steps)


def _by_level(levels: Sequence[Level]) -> Done:
    """By how much of the way in log-SNR is gone, for samplers that choose their own steps."""
    steps = len(levels) - 1
    between = [level.log_snr for level in levels if level.alpha > 0 and level.sigma > 0]

    def done(asked: int, level: Level) -> tuple[int, int]:
        if len(between) < 2:
            return steps, steps
        share = (level.log_snr - between[0]) / (between[-1] - between[0])
        return int(max(share, 0.0) * steps + 1e-9), steps

    return done


def _sample(
    sampling: Sampling,
    guide: Guide,
    heard: Heard,
    given: Given,
    steps: Steps,
    done: Done,
) -> Drawing:
    """Answer the sampler's asks with guided estimates; returns the latents.

    Each step is told once: a sampler may ask several times in a step, or go back.
    """
    asked = told = 0
    x0: Tensor | None = None
    while True:
        try:
            ask = sampling.send(x0)  # type: ignore[arg-type]  # a generator is started by sending None
        except StopIteration as end:
            return end.value
        now = heard.at(steps, asked, ask.level)
        x0 = yield from _guide(guide(ask), now, partial(given.at, steps, asked, ask.level))
        asked += 1
        count, of = done(asked, ask.level)
        if count > told:
            told = count
            yield Step(count, of, x0)


def _guide(
    guiding: Guiding,
    spoken: Mapping[str, Spoken],
    given: Callable[[str], tuple[Hints, Likenesses]],
) -> Generator[Request, Any, Tensor]:
    """Ask for the branches a rule wants, each under its own text; returns the guided x0."""
    answers: tuple[Tensor, ...] | None = None
    while True:
        try:
            branches = guiding.send(answers)  # type: ignore[arg-type]  # started by sending None
        except StopIteration as done:
            return done.value
        answers = yield tuple(
            Denoise(
                e.x,
                e.level,
                spoken[e.branch.text].context.expand(len(e.x)),
                e.branch.network,
                spoken[e.branch.text].loras,
                *given(text_anywhere(e.branch.text)),
            )
            for e in branches
        )
