"""AND joins prompts, each with its weight; every other text is what it was."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import Parts
from pipelines import Recipe, RecipeError
from pipelines.cost import cost
from pipelines.prompt import Part, parts
from pipelines.requests import Decode, EncodeText, Request
from tests.pipelines.test_draw import SMALL, tell


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a cat: the movie :0.5", [("a cat: the movie :0.5", 1.0)]),
        ("a cat AND a dog :0.7", [("a cat", 1.0), ("a dog", 0.7)]),
        ("a cat :1.5 AND\na dog AND rain :-0.25", [("a cat", 1.5), ("a dog", 1.0), ("rain", -0.25)]),
        ("a :.5 AND b :+0.5 AND c :1. AND d:-.125", [("a", 0.5), ("b", 0.5), ("c", 1.0), ("d", -0.125)]),
        ("a :0.3333333333333 AND b : 2 \nAND c:0001.50", [("a", 0.3333333333333), ("b", 2.0), ("c", 1.5)]),
        ("a :1:0.5 AND b :. AND c :1e1", [("a :1", 0.5), ("b :.", 1.0), ("c :1e1", 1.0)]),
        ("SAND AND STONES", [("SAND", 1.0), ("STONES", 1.0)]),
        ("bread and butter", [("bread and butter", 1.0)]),
        ("", [("", 1.0)]),
    ],
)
def test_what_is_joined(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert parts(prompt) == tuple(Part(*part) for part in expected)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a cat AND ", "Prompt: got no words in part 2"),
        ("a AND " * 9 + "b", "Prompt: got 10 parts joined by AND; allowed: at most 8."),
        (
            "a :1 AND b :100.5",
            "Prompt: got a weight of 100.5 in part 2 of those joined by AND; allowed: from -100",
        ),
        ("a :1 AND b :" + "9" * 400, "Prompt: got a weight of inf in part 2"),
        ("a cat :1 AND a dog :-1", "Prompt: got weights that add up to nothing; allowed: a sum above 0."),
    ],
)
def test_what_cannot_be_joined_is_told(prompt: str, message: str) -> None:
    with pytest.raises(RecipeError) as error:
        Recipe.read({"prompt": prompt})
    assert str(error.value).startswith(message)


@given(st.text(max_size=200))
def test_no_text_crashes_it(text: str) -> None:
    try:
        found = parts(text)
    except ValueError:
        return
    assert found and (len(found) > 1 or found[0].text == text)


def requests_of(recipe: Recipe, parts: Parts) -> list[Request]:
    return tell(recipe, parts)[1]


def test_each_joined_prompt_is_encoded_and_asked_for(tiny: Parts) -> None:
    recipe = Recipe(prompt="a cat AND a dog :0.5", negative="fog", steps=2, guidance=3.0, **SMALL)
    requests = requests_of(recipe, tiny)
    assert requests[0] == EncodeText((("a cat",), ("a dog",), ("fog",)))
    calls = [r for r in requests if isinstance(r, tuple)]
    assert [len(call) for call in calls] == [3, 3] and cost(recipe, tiny.table).each == 3


def test_a_prompt_joined_with_itself_is_itself(tiny: Parts) -> None:
    """Two halves of one prompt guide as the whole does."""
    whole, _ = tell(Recipe(prompt="a cat", steps=3, guidance=4.0, **SMALL), tiny)
    halves, _ = tell(Recipe(prompt="a cat :0.5 AND a cat :0.5", steps=3, guidance=4.0, **SMALL), tiny)
    other, _ = tell(Recipe(prompt="a cat :0.5 AND a dog :0.5", steps=3, guidance=4.0, **SMALL), tiny)
    torch.testing.assert_close(halves, whole, rtol=0, atol=1e-3)
    assert (other - whole).abs().max() > 10 * (halves - whole).abs().max()


def test_guidance_one_takes_the_weighted_mean(tiny: Parts) -> None:
    recipe = Recipe(prompt="a cat :3 AND a cat", steps=2, guidance=1.0, **SMALL)
    whole, _ = tell(Recipe(prompt="a cat", steps=2, guidance=1.0, **SMALL), tiny)
    joined, requests = tell(recipe, tiny)
    torch.testing.assert_close(joined, whole, rtol=0, atol=1e-3)
    assert [len(r) for r in requests if isinstance(r, tuple)] == [2, 2]
    assert isinstance(requests[-1], Decode)
