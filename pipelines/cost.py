"""What a picture costs: how often its model is asked. Runs nothing, and knows a model by its noise levels."""

from dataclasses import dataclass

from pipelines.edit import steps_run
from pipelines.prompt import cut, without_asides
from pipelines.recipe import Recipe
from schedulers import GUIDANCE, SAMPLERS, Level, Table, asked
from schedulers.ask import PROMPT, Branch
from schedulers.level import on_path

LIKELY = Table(tuple(on_path("vp", 0.03 * (14.6 / 0.03) ** (i / 999)) for i in range(1000)))
"""About Stable Diffusion's, for a model whose levels are not known."""


@dataclass(frozen=True)
class Cost:
    """Of one picture."""

    evaluations: int | None  # by the sampler; None: as many as the picture needs
    passes: int | None  # of the network, in all of them
    each: int  # of the network in an evaluation, at most
    sure: bool  # else about so many


def cost(recipe: Recipe, table: Table | None) -> Cost:
    """Of ``recipe`` with a model of these levels; None is not known. Raises ``RecipeError`` where the model
    does not have the levels."""
    sampler = SAMPLERS[recipe.sampler].with_eta(recipe.eta)
    rule, strength, prompts = GUIDANCE[recipe.guidance_rule], recipe.strength(), _prompts(recipe)

    def answers(branches: tuple[Branch, ...]) -> int:
        return sum(prompts if branch.text == PROMPT.text else 1 for branch in branches)

    each, sure = answers(rule.asks(strength)), table is not None and _plain(recipe)
    if sampler.alone:
        return Cost(None, None, each, sure)
    at = [level for path in paths(recipe, table or LIKELY) for level in asked(sampler, path)]
    return Cost(len(at), sum(answers(rule.asks_at(strength, level)) for level in at), each, sure)


def paths(recipe: Recipe, table: Table) -> list[list[Level]]:
    """The levels of each time that the picture is drawn. Raises ``RecipeError``."""
    if recipe.upscale is not None:
        return []
    whole = recipe.path(table)
    if recipe.edit is not None:
        run = steps_run(recipe.edit.strength, recipe.steps)
        return [whole[-run - 1 :]] if run else []
    if recipe.hires is None:
        return [whole]
    if recipe.hires_levels is not None:
        return [whole, [Level(*level) for level in recipe.hires_levels]]
    steps = recipe.hires.steps or recipe.steps
    again = recipe.model_copy(update={"steps": steps, "levels": None}).path(table)
    return [whole, again[-steps_run(recipe.hires.strength, steps) - 1 :]]


def _prompts(recipe: Recipe) -> int:
    return sum(len(cut(without_asides(text))) for text in _said(recipe))


def _said(recipe: Recipe) -> list[str]:
    own = recipe.words[0] if recipe.words else recipe.prompt
    return [own, *(one.words or one.prompt for one in recipe.regions)]


def _plain(recipe: Recipe) -> bool:
    """Whether what is asked shows in the recipe: not where choices may join prompts, where a region may not
    be in the drawing or have other words to avoid, or where large pictures are drawn in parts."""
    chosen = any("__" in text or ("{" in text and len(cut(text)) > 1) for text in _said(recipe))
    return not (chosen or recipe.regions or recipe.tiles)
