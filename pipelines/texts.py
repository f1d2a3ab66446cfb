"""What a picture is drawn from, step by step: a recipe's texts as they are encoded. Runs nothing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from adapters import Embedding, Lora, Use, Uses, Words, taught
from models import Parts
from pipelines.influences import numbered
from pipelines.materials import Find, Materials
from pipelines.prompt import Lora as LoraName
from pipelines.prompt import (
    Stage,
    Wildcards,
    by_seed,
    expanded,
    lora_stages,
    loras,
    parts,
    runs,
    stages,
    without_asides,
    without_comments,
)
from pipelines.recipe import Recipe, RecipeError
from pipelines.region import Region
from pipelines.requests import EncodeText
from schedulers import GUIDANCE
from schedulers.guidance.compose import text_of

PROMPT, NEGATIVE = "Prompt", "Negative prompt"
MOST_CHUNKS, MOST_IN_ALL = 16, 64  # of one text; of all that one picture is drawn from


@dataclass(frozen=True)
class Texts:
    """The texts of one picture: of each branch of its guidance, at each of its stages."""

    branches: tuple[tuple[str, tuple[Stage, ...]], ...]
    weights: tuple[float, ...]  # of the prompts that are joined
    clip_skip: int
    loras: tuple[tuple[int, tuple[LoraName, ...]], ...] = ()  # the last step of each stage, and its LoRAs

    def encode(self, uses: Uses, words: Words) -> EncodeText:
        """What to ask for: one row for each different text of each branch."""
        prompts = tuple(tuple(stage.text for stage in told) for _, told in self.branches)
        return EncodeText(prompts, self.clip_skip, uses, words)


def worded(recipe: Recipe, wildcards: Wildcards | None = None) -> Recipe:
    """A recipe of one picture with the choices of its seed made, and lines of ``wildcards`` filled in.

    The choices stand in ``words``, its own and those of its regions; where there is nothing to choose, or
    they were made before, it is the recipe itself, as it is of an upscale. Raises ``RecipeError``.
    """
    if recipe.upscale is not None:
        return recipe
    regions = tuple(_region_worded(recipe, number, wildcards) for number in range(1, len(recipe.regions) + 1))
    if regions != recipe.regions:
        recipe = recipe.model_copy(update={"regions": regions})
    if recipe.words is not None:
        return recipe
    words: list[str] = []
    typed = [(PROMPT, without_comments(recipe.prompt)), (NEGATIVE, without_comments(recipe.negative))]
    for field, text in typed:
        with named(field):
            words.append(expanded(text, by_seed(recipe.seed, field), wildcards or {}))
    if words == [text for _, text in typed]:
        return recipe
    return recipe.model_copy(update={"words": (words[0], words[1])})


def _region_worded(recipe: Recipe, number: int, wildcards: Wildcards | None) -> Region:
    region = recipe.regions[number - 1]
    if region.words is not None:
        return region
    with numbered("regions", number):
        typed = without_comments(region.prompt)
        words = expanded(typed, by_seed(recipe.seed, f"Region {number}"), wildcards or {})
    return region if words == typed else region.model_copy(update={"words": words})


def heard_in(recipe: Recipe, place: int) -> Recipe:
    """``recipe`` (of one picture, ``worded``) with what is to be drawn in region ``place`` as its prompt; in
    place 0 it is its own."""
    if place == 0:
        return recipe
    region = recipe.regions[place - 1]
    negative = recipe.words[1] if recipe.words else recipe.negative
    said = region.words if region.words is not None else region.prompt
    words = (said, negative) if recipe.words or region.words is not None else None
    return recipe.model_copy(update={"prompt": region.prompt, "words": words, "regions": ()})


def texts_of(recipe: Recipe) -> Texts:
    """Those of a recipe of one picture. Raises ``RecipeError``.

    A text that its guidance never asks for is empty here: how long it is must change nothing.
    """
    recipe = worded(recipe)
    rule = GUIDANCE[recipe.guidance_rule]
    asked = {branch.text for branch in rule.asks(recipe.strength())}
    prompt, negative = recipe.words or (recipe.prompt, recipe.negative)
    with named(PROMPT):
        joined, named_loras = parts(without_asides(prompt)), lora_stages(prompt, recipe.steps)
    written = {text_of(k): part.text if text_of(0) in asked else "" for k, part in enumerate(joined)}
    others = {"unconditional": without_asides(negative), "empty": ""}
    for branch in rule.branches:
        if branch.text in others:
            written[branch.text] = others[branch.text] if branch.text in asked else ""
    branches = tuple((branch, stages(text, recipe.steps)) for branch, text in written.items())
    return Texts(branches, tuple(part.weight for part in joined), recipe.clip_skip, named_loras)


def uses_of(texts: Texts, find: Find | None) -> tuple[tuple[int, Uses], ...]:
    """The last step of each stage of the LoRAs that they name, and those. Raises ``RecipeError``."""
    found: dict[tuple[str, bool], Lora] = {}
    with named(PROMPT):
        for one in (lora for _, stage in texts.loras for lora in stage):
            if find is None:
                raise ValueError(
                    f"got the LoRA {one.name[:60]!r}; allowed: none, as there is no folder of them."
                )
            if (one.name, one.partial) not in found:
                found[one.name, one.partial] = find(one.name, one.partial)
    return tuple((last, _uses(stage, found)) for last, stage in texts.loras)


def _uses(stage: tuple[LoraName, ...], found: Mapping[tuple[str, bool], Lora]) -> Uses:
    """Each LoRA once, its weights added up: those of the text encoders, and those of the U-Net."""
    weights: dict[tuple[str, bool], tuple[float, float]] = {}
    for name, weight, unet, partial in stage:
        text, its = weights.get((name, partial), (0.0, 0.0))
        weights[name, partial] = text + weight, its + (weight if unet is None else unet)
    return tuple(
        Use(found[key], text, None if unet == text else unet) for key, (text, unet) in weights.items()
    )


def loras_said(recipe: Recipe, materials: Materials) -> tuple[str, ...]:
    """Of each LoRA of a recipe of one picture, how much of it is applied. Raises ``RecipeError``."""
    one = worded(recipe)
    spoken = [texts_of(heard_in(one, place)) for place in range(len(one.regions) + 1)]
    used = [use.lora for texts in spoken for _, uses in uses_of(texts, materials.lora) for use in uses]
    return tuple(dict.fromkeys(lora.said for lora in used))


def words_of(texts: Texts, materials: Materials) -> Words:
    """The words in them that embeddings stand for, each once. Raises ``RecipeError``."""
    found: dict[str, Embedding] = {}
    for name, told in texts.branches:
        for text in dict.fromkeys(stage.text for stage in told):
            with named(NEGATIVE if name == "unconditional" else PROMPT):
                found |= dict(materials.words(text))
    return tuple(found.items())


def check_texts(recipe: Recipe, model: Parts, materials: Materials) -> None:
    """What only the model knows of them. Raises ``RecipeError``."""
    if recipe.clip_skip > model.text_layers:
        raise RecipeError(
            f"Clip skip: got {recipe.clip_skip}; allowed with this model: from 1 to {model.text_layers}."
        )
    for one in {(one.words, one.regions): one for one in map(worded, recipe.each())}.values():
        with named(NEGATIVE):
            if loras((one.words or (one.prompt, one.negative))[1]):
                raise ValueError("got a LoRA; allowed: LoRAs in the prompt, a negative weight takes away.")
        for place in range(len(one.regions) + 1):
            with numbered("regions", place) if place else nullcontext():
                texts = texts_of(heard_in(one, place))
                uses_of(texts, materials.lora)
                _check_length(texts, taught(model, words_of(texts, materials)))


def _check_length(texts: Texts, model: Parts) -> None:
    room, most = model.text_limit - 2, 1
    counts = {PROMPT: 0, NEGATIVE: 0}  # texts
    for name, told in texts.branches:
        field = NEGATIVE if name == "unconditional" else PROMPT
        for text in dict.fromkeys(stage.text for stage in told):
            with named(field):
                size = model.size(runs(text))
            if size.capacity > MOST_CHUNKS * room:
                allowed = f"{MOST_CHUNKS * room}, which are {MOST_CHUNKS} chunks"
                raise RecipeError(f"{field}: got {size.tokens} words and word pieces; allowed: {allowed}.")
            counts[field] += 1
            most = max(most, size.capacity // room)
            if sum(counts.values()) * most > MOST_IN_ALL:
                raise RecipeError(
                    f"{max(counts, key=lambda one: counts[one])}: got more than {MOST_IN_ALL} chunks of all "
                    f"texts and steps together; allowed: {MOST_IN_ALL}. Fewer alternatives are fewer texts."
                )


@contextmanager
def named(field: str) -> Iterator[None]:
    """What is wrong with a text names its field."""
    try:
        yield
    except ValueError as error:
        raise RecipeError(f"{field}: {error}") from None
