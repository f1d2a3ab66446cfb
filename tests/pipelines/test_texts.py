"""From a recipe's words to the context of every ask: stages by step, choices by seed, limits by name."""

from typing import Any

import pytest
import torch

from models import Context, Parts
from pipelines import Recipe, RecipeError, answer, check, draw, resolved, text_to_image
from pipelines.prompt import runs
from pipelines.requests import Decode, Denoise, EncodeText
from pipelines.texts import worded
from schedulers import SAMPLERS
from tests.pipelines.test_draw import SMALL, psnr, tell


def contexts(recipe: Recipe, parts: Parts, branch: int = 0) -> list[Context]:
    """Under which context each ask of ``branch`` was made."""
    return [request[branch].context for request in tell(recipe, parts)[1] if isinstance(request, tuple)]


def names(found: list[Context], parts: Parts, texts: dict[str, str]) -> str:
    """A letter for each context: the key of the text that it is of."""
    known = {letter: parts.encode_prompts([[runs(text)]]).hidden for letter, text in texts.items()}
    return "".join(
        letter for one in found for letter, hidden in known.items() if torch.equal(one.hidden, hidden)
    )


CAT_OR_DOG = {"c": "a cat", "d": "a dog"}
EVERY_STEP = {  # the text of each ask, and how many asks the first two steps are
    "ddim": ("cdcd", 2), "heun": ("cddccd", 3), "dpm-2": ("cddccd", 3), "seeds-3": ("cdddcccd", 4),
    "pndm": ("cddcd", 3),
}  # fmt: skip


@pytest.mark.parametrize("sampler", EVERY_STEP)
def test_each_ask_of_a_step_is_under_that_steps_text(sampler: str, tiny: Parts) -> None:
    """Four steps from pure noise, the first and the last of one ask."""
    recipe = Recipe(prompt="a [cat|dog]", sampler=sampler, steps=4, **SMALL)
    order, half = EVERY_STEP[sampler]
    assert names(contexts(recipe, tiny), tiny, CAT_OR_DOG) == order
    cats = {"[cat:dog:2]": half, "[cat:dog:0.5]": half, "[cat:dog:0]": 0, "[cat:dog:4]": len(order)}
    for prompt, count in cats.items():
        edited = recipe.model_copy(update={"prompt": f"a {prompt}"})
        found = names(contexts(edited, tiny), tiny, CAT_OR_DOG)
        assert found == "c" * count + "d" * (len(order) - count)


def test_a_sampler_that_chooses_its_own_steps_changes_at_the_noise_of_the_step(tiny: Parts) -> None:
    recipe = Recipe(prompt="a [cat:dog:0.5]", sampler="rk45", steps=6, **SMALL)
    asked = [request[0] for request in tell(recipe, tiny)[1] if isinstance(request, tuple)]
    border = recipe.path(tiny.table)[3].ve_sigma
    assert names([ask.context for ask in asked], tiny, CAT_OR_DOG) == "".join(
        "c" if ask.level.ve_sigma > border else "d" for ask in asked
    )
    assert len({ask.level.ve_sigma > border for ask in asked}) == 2


def test_every_sampler_draws_an_edited_prompt(tiny: Parts) -> None:
    for sampler in SAMPLERS:
        found = contexts(Recipe(prompt="[cat|dog]", sampler=sampler, steps=3, **SMALL), tiny)
        assert set(names(found, tiny, {"c": "cat", "d": "dog"})) == {"c", "d"}, sampler


def test_the_negative_prompt_and_joined_ones_change_too(tiny: Parts) -> None:
    recipe = Recipe(
        prompt="a cat AND [a cat:a dog:1] :0.5", negative="a [cat|dog]", sampler="ddim", steps=3, **SMALL
    )
    assert [names(contexts(recipe, tiny, k), tiny, CAT_OR_DOG) for k in range(3)] == ["ccc", "cdd", "cdc"]
    [request] = [r for r in tell(recipe, tiny)[1] if isinstance(r, EncodeText)]
    assert request.prompts == (("a cat",), ("a cat", "a dog"), ("a cat", "a dog", "a cat"))


def test_a_plain_prompt_draws_what_it_drew_before_there_was_a_language(tiny: Parts) -> None:
    """Its texts encoded as the tokenizer itself pads them; bit for bit."""
    recipe = Recipe(prompt="a cat, sitting", negative="dog", steps=3, count=2, guidance=4.0, **SMALL)
    pipeline, reply = text_to_image(recipe, tiny), None
    while not isinstance(request := pipeline.send(reply), Decode):
        reply = answer(request, tiny)
        if isinstance(request, EncodeText):
            assert request == EncodeText((("a cat, sitting",), ("dog",)))
            reply = tiny.encode_text(["a cat, sitting", "dog"])
    assert torch.equal(tiny.decode(request.latents), tell(recipe, tiny)[0])


def test_long_prompts_and_weights_and_clip_skip_count(tiny: Parts) -> None:
    base = Recipe(prompt="a cat", steps=2, **SMALL)
    changes: list[dict[str, Any]] = [
        {"prompt": "a cat" + ", cat" * 60},
        {"prompt": "(a:1.5) cat"},
        {"prompt": "a BREAK cat"},
        {"negative": "dog " * 90},
        {"clip_skip": 2},
    ]
    drawn = [tell(base.model_copy(update=change), tiny)[0] for change in [{}, *changes]]
    assert all(each.isfinite().all() for each in drawn)
    assert all(not torch.equal(drawn[0], each) for each in drawn[1:])
    aside = base.model_copy(update={"prompt": "a cat# and a dog"})
    assert torch.equal(tell(aside, tiny)[0], drawn[0])


@pytest.mark.parametrize(("guidance", "unasked"), [(1.0, "negative"), (0.0, "prompt")])
def test_a_text_that_is_not_asked_for_changes_nothing_however_long_it_is(
    guidance: float, unasked: str, tiny: Parts
) -> None:
    recipe = Recipe(prompt="a cat", negative="dog", guidance=guidance, steps=2, **SMALL)
    long = recipe.model_copy(update={unasked: "ox " * 90})
    assert torch.equal(tell(recipe, tiny)[0], tell(long, tiny)[0])


def test_each_picture_makes_its_own_choices(tiny: Parts) -> None:
    """Alone and among the others, also where one of them has more chunks and more prompts."""
    recipe = Recipe(prompt="{a cat|dog " + "x " * 80 + "|ox AND owl}", steps=3, count=6, **SMALL)
    together, requests = tell(recipe, tiny)
    encoded = [r for r in requests if isinstance(r, EncodeText)]
    assert len(encoded) == 3  # each text once
    for k, one in enumerate(recipe.each()):
        kept = resolved(one, tiny)
        assert kept.words is not None and kept.prompt == recipe.prompt
        assert psnr(together[[k]], tell(kept, tiny)[0]) > 60
        plain = one.model_copy(update={"prompt": kept.words[0]})
        assert torch.equal(tell(plain, tiny)[0], tell(one, tiny)[0])


def test_a_resolved_recipe_needs_no_wildcards(tiny: Parts) -> None:
    wildcards = {"animal": ("a cat", "a dog", "an owl")}
    recipe = Recipe(prompt="__animal__", negative="{x|y}", steps=2, seed=3, **SMALL)
    with pytest.raises(RecipeError, match="^Prompt: got __animal__; allowed: none"):
        check(recipe, tiny)
    chosen = worded(recipe, wildcards)
    assert chosen.words is not None and chosen.words[0] in wildcards["animal"]
    kept = Recipe.from_json(resolved(chosen, tiny).to_json())
    assert kept.words == chosen.words
    plain = recipe.model_copy(update={"prompt": chosen.words[0], "negative": chosen.words[1]})
    assert draw(kept, tiny)[0].tobytes() == draw(plain, tiny)[0].tobytes()
    assert worded(kept, {"animal": ("gone",)}) is kept


def test_what_does_not_vary_is_resolved_to_nothing(tiny: Parts) -> None:
    for prompt in ("a cat", "a [cat|dog] # {a|b}", "{plain} __"):
        assert resolved(Recipe(prompt=prompt, steps=2, **SMALL), tiny).words is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"prompt": "cat <lora:ink:0.8>"},
         "Prompt: got the LoRA 'ink'; allowed: none, as there is no folder of them."),
        ({"negative": "<lora:ink>"}, "Negative prompt: got a LoRA; allowed: LoRAs in the prompt"),
        ({"prompt": "<lora:ink:x>"}, "Prompt: got <lora:ink:x>; allowed: <lora:name:weight>, a number"),
        ({"prompt": "a (b:101)"}, "Prompt: got a weight of 101 at character 4; allowed: from -100 to 100."),
        ({"negative": "(b:-101)"}, "Negative prompt: got a weight of -101 at character 2"),
        ({"prompt": "{a AND |b AND }"}, "Prompt: got no words in part 2 of those joined by AND"),
        ({"negative": "__x__"}, "Negative prompt: got __x__; allowed: none, as this studio has no wildcards"),
        ({"clip_skip": 3}, "Clip skip: got 3; allowed with this model: from 1 to 2."),
        ({"prompt": "x" * 1201}, "Prompt: got 1201 words and word pieces; allowed: 1200, which are 16"),
        ({"prompt": "BREAK " * 17}, "Prompt: got 1200 words and word pieces"),
        ({"prompt": "[" + "|".join("abcdefghijklmnopqrstu") + "] BREAK x BREAK x", "steps": 100},
         "Prompt: got more than 64 chunks of all texts and steps together; allowed: 64."),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_told_before_anything_runs(
    values: dict[str, Any], message: str, tiny: Parts
) -> None:
    recipe = Recipe.read({"steps": 4, **SMALL, **values})  # it can be kept, shown and put right
    for ask in (check, text_to_image):
        with pytest.raises(RecipeError) as error:
            ask(recipe, tiny)
        assert str(error.value).startswith(message)


def test_the_lora_of_a_comment_is_no_lora(tiny: Parts) -> None:
    check(Recipe(prompt=r"cat # <lora:ink:0.8>", steps=2, **SMALL), tiny)


def test_contexts_of_all_lengths_are_answered_together(tiny: Parts) -> None:
    short, long = (tiny.encode_prompts([[runs(text)]]) for text in ("cat", "x " * 80))
    assert (short.hidden.shape[1], long.hidden.shape[1]) == (77, 154)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    asks = [Denoise(x, tiny.levels[500], context) for context in (short, long, short)]
    answers = answer(tuple(asks), tiny)
    for ask, got in zip(asks, answers, strict=True):
        alone = tiny.denoise(x, [ask.level], ask.context)
        torch.testing.assert_close(got, alone, rtol=0, atol=1e-5)
