"""Choices and wildcards: decided by the seed, the same for ever, and never without an end."""

import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.prompt import by_seed, expanded, longest
from pipelines.prompt.choices import MOST_CHARACTERS
from tests.pipelines.prompt.test_language import texts

WILDCARDS = {
    "animal": ("a cat", "a dog # no wolf", "{one|two} {owl|owls}"),
    "places/warm": ("a beach",),
    "a": ("<__animal__>",),
    "endless": ("__endless__",),
    "many": ("__many____many__",),
    "empty": ("{|}",),
}


def first(options: int, size: object) -> int:
    return 0


def last(options: int, size: object) -> int:
    return options - 1


@pytest.mark.parametrize(
    ("text", "of_first", "of_last"),
    [
        ("{a|b|c} d", "a d", "c d"),
        ("{a|{b|c}} d", "a d", "c d"),
        ("{a|}x", "ax", "x"),
        ("{[a|b]|(c:1.2)}", "[a|b]", "(c:1.2)"),
        ("{a AND b|c}", "a AND b", "c"),
        ("{plain} a|b }{", "{plain} a|b }{", "{plain} a|b }{"),
        (r"\{a|b\} {a\|b|c}", r"\{a|b\} a\|b", r"\{a|b\} c"),
        ("__animal__ at __places/warm__", "a cat at a beach", "two owls at a beach"),
        ("{__animal__|x}", "a cat", "x"),
        (r"\__animal__ __ a_b__c", r"\__animal__ __ a_b__c", r"\__animal__ __ a_b__c"),
        ("_____", "_____", "_____"),
    ],
)
def test_what_is_chosen(text: str, of_first: str, of_last: str) -> None:
    assert expanded(text, first, WILDCARDS) == of_first
    assert expanded(text, last, WILDCARDS) == of_last


def test_the_longest_option_is_found() -> None:
    assert expanded("{a|three|bb} __animal__", longest, WILDCARDS) == "three one owls"


def test_a_seed_decides_for_ever() -> None:
    """These choices must never change: they are in pictures that people have."""
    made = [expanded("{a|b|c} {a|b|c} __animal__", by_seed(seed, "Prompt"), WILDCARDS) for seed in range(6)]
    assert made == [
        "c c one owl", "a c two owls", "c b two owl", "a a one owl", "b b one owls", "b b one owls"
    ]  # fmt: skip


def test_choices_are_fair_and_independent() -> None:
    made = Counter(expanded("{a|b|c}{x|y}", by_seed(seed, "Prompt"), {}) for seed in range(6000))
    assert len(made) == 6 and all(abs(count - 1000) < 5 * 30 for count in made.values())  # 5 sigma
    other = [expanded("{a|b}", by_seed(seed, "Negative prompt"), {}) for seed in range(400)]
    agree = sum(expanded("{a|b}", by_seed(seed, "Prompt"), {}) == one for seed, one in enumerate(other))
    assert 150 < agree < 250


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__nobody__", "got __nobody__; allowed: a, animal, empty, endless, many, places/warm."),
        ("__endless__", "got more wildcards than are read, at __endless__; allowed: 8 within one another"),
        ("__many__", "got more wildcards than are read"),
        ("__empty__ " * 201, "200 in all"),
        ("__places/warm__" + "x" * MOST_CHARACTERS, "got choices of 4007 characters; allowed: at most 4000."),
    ],
)
def test_what_cannot_be_filled_is_told(text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        expanded(text, last, WILDCARDS)
    assert message in str(error.value)
    with pytest.raises(ValueError, match="got __x__; allowed: none, as this studio has no wildcards"):
        expanded("__x__", last, {})


@settings(max_examples=500)
@given(texts, st.integers(0, 2**32 - 1))
def test_no_text_crashes_it_and_one_seed_says_one_thing(text: str, seed: int) -> None:
    try:
        made = expanded(text, by_seed(seed, "Prompt"), WILDCARDS)
    except ValueError as error:
        assert "__; allowed: " in str(error)  # no such wildcard
        return
    assert made == expanded(text, by_seed(seed, "Prompt"), WILDCARDS)
    if "{" not in text and "__" not in text:
        assert made == text


@pytest.mark.parametrize("unit", ["{a|", "{", "{a|b}", "__a__", "__", "__a ", "{__a__|", "{[", "|"])
def test_no_text_takes_long(unit: str) -> None:
    half = (unit * 4000)[:2000]
    for text in (half * 2, half + "}" * 2000):
        for choose in (by_seed(3, "Prompt"), longest):
            started = time.process_time()
            try:
                expanded(text, choose, WILDCARDS)
            except ValueError as error:
                assert "200 in all" in str(error)
            assert time.process_time() - started < 5  # not a measurement: what explodes takes hours
