"""The language of prompts, layer by layer: what AUTOMATIC1111 reads from a text is what is read here."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.chunks import Run
from pipelines.prompt import (
    Lora,
    Mistake,
    Stage,
    by_seed,
    cut,
    expanded,
    lora_stages,
    loras,
    mistakes,
    runs,
    stages,
    without_asides,
    without_comments,
)
from pipelines.prompt.brackets import characters, flat, pieces
from pipelines.prompt.emphasis import typed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("normal text", [("normal text", 1.0)]),
        ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        ("unbalanced)", [("unbalanced)", 1.0)]),
        (r"\(literal\]", [("(literal]", 1.0)]),
        (r"a \\(b)", [("a \\", 1.0), ("b", 1.1)]),
        (r"back\slash", [("backslash", 1.0)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        ("(a: 1.2 )", [("a", 1.2)]),
        ("(a:-.5)", [("a", -0.5)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
        ("a:1.2)", [("a:1.2)", 1.0)]),
        ("([a)b]", [("a", 1.0), ("b", 1 / 1.1)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [("a ", 1.0), ("house", 1.573), (" ", 1.1), ("on", 1.0), (" a ", 1.1), ("hill", 0.55),
             (", sun, ", 1.1), ("sky", 1.4641), (".", 1.1)],
        ),
    ],
)  # fmt: skip
def test_weights(text: str, expected: list[tuple[str, float]]) -> None:
    (part,) = runs(text)
    assert [run.words for run in part] == [words for words, _ in expected]
    assert [run.weight for run in part] == pytest.approx([weight for _, weight in expected], rel=1e-12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [[]]),
        ("a BREAK b", [["a"], ["b"]]),
        ("a\nBREAK\n\nBREAKFAST", [["a"], ["BREAKFAST"]]),
        ("BREAK", [[], []]),
        ("(a BREAK b:1.5) c", [["a"], ["b", " c"]]),
        (r"a B\REAK b", [["a BREAK b"]]),
    ],
)
def test_breaks(text: str, expected: list[list[str]]) -> None:
    assert [[run.words for run in part] for part in runs(text)] == expected


def test_a_weight_beyond_reason_is_told_with_its_place() -> None:
    with pytest.raises(ValueError, match="got a weight of 1e[+]09 at character 4; allowed: from -100 to 100"):
        runs("a (b:999999999)")
    with pytest.raises(ValueError, match="allowed: from -100 to 100"):
        runs("(" * 400 + "a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("test", [(10, "test")]),
        ("a [b:3]", [(3, "a "), (10, "a b")]),
        ("a [b: 3 ]", [(3, "a "), (10, "a b")]),
        ("a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
        ("[(a:2):3]", [(3, ""), (10, "(a:2)")]),
        ("a [b : c : 1] d", [(1, "a b  d"), (10, "a  c  d")]),
        ("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
        ("a [unbalanced", [(10, "a [unbalanced")]),
        ("a [b:.5] c", [(5, "a  c"), (10, "a b c")]),
        ("a [b::.5] c", [(5, "a b c"), (10, "a  c")]),
        ("((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:-1]", [(10, "b")]),
        ("[a:b:1.0]", [(10, "a")]),
        ("[a:b:99]", [(10, "a")]),
        ("[a|(b:1.1)]", [(k, "(b:1.1)" if k % 2 == 0 else "a") for k in range(1, 11)]),
        ("[fe|]male", [(k, "male" if k % 2 == 0 else "female") for k in range(1, 11)]),
        ("[a:b:c:0.5] [a|b:0.5] [0.5] [:]", [(10, "[a:b:c:0.5] [a|b:0.5] [0.5] [:]")]),
        (r"\[a:b:3] [c\:d:3]", [(3, r"\[a:b:3] "), (10, r"\[a:b:3] c\:d")]),
        ("(a:b:0.5)", [(10, "(a:b:0.5)")]),
    ],
)
def test_editing(text: str, expected: list[tuple[int, str]]) -> None:
    assert stages(text, 10) == tuple(Stage(*stage) for stage in expected)


def test_alternation_within_editing_within_alternation() -> None:
    told = [stage.text for stage in stages("[a [b|c|d]:[x|y]:5]", 8)]
    assert told == ["a b", "a c", "a d", "a b", "a c", "y", "x", "y"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a cat # not a dog", "a cat "),
        ("a\n# whole line\nb", "a\n\nb"),
        (r"number \#1 # one", r"number \#1 "),
        (r"\\# said", r"\\"),
    ],
)
def test_comments(text: str, left: str) -> None:
    assert without_comments(text) == left


def test_loras_are_taken_out() -> None:
    text = "a <lora:ink:0.8>cat<lora:wash> <b> <lora:x # <lora:y:1>"
    assert without_asides(text) == "a cat <b> <lora:x "
    assert loras(text) == (Lora("ink", 0.8), Lora("wash", 1.0))
    for wrong in ("<lora:ink:much>", "<lora:ink:1:2:3>", "<lora:ink:partial:1>", "<lora:ink::partial>"):
        with pytest.raises(ValueError, match=f"got {wrong}; allowed: <lora:name:weight>"):
            loras(wrong)


def test_a_lora_may_have_a_second_weight_and_fit_in_part() -> None:
    text = "<lora:a:0.8:0.5><lora:b:0.8:partial><lora:c:partial><lora:d:1:-.5: partial >"
    assert loras(text) == (
        Lora("a", 0.8, 0.5), Lora("b", 0.8, None, True), Lora("c", 1.0, None, True),
        Lora("d", 1.0, -0.5, True),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a <lora:ink:0.8> cat", [(10, [("ink", 0.8)])]),
        ("[<lora:ink:0.8>:0.3]", [(3, []), (10, [("ink", 0.8)])]),
        ("[<lora:ink:0.8>::0.7]", [(7, [("ink", 0.8)]), (10, [])]),
        ("[<lora:a:1>:<lora:b:2>:4] x [y:0.5]", [(4, [("a", 1)]), (10, [("b", 2)])]),
        (
            "([<lora:a>:2]:1.3) AND [<lora:b>::5]",
            [(2, [("b", 1)]), (5, [("a", 1), ("b", 1)]), (10, [("a", 1)])],
        ),
        ("[[<lora:a>:2]::6] # <lora:b>", [(2, []), (6, [("a", 1)]), (10, [])]),
        ("\uffff0\uffff<lora:a>", [(10, [("a", 1)])]),
    ],
)
def test_loras_come_and_go_as_words_do(
    text: str, expected: list[tuple[int, list[tuple[str, float]]]]
) -> None:
    assert lora_stages(text, 10) == tuple((last, tuple(Lora(*one) for one in its)) for last, its in expected)


def test_an_edited_lora_leaves_no_words() -> None:
    text = without_asides("a [<lora:ink:0.8>:0.3]cat [<lora:wash>|<lora:ink>]")
    assert {flat.text for flat in stages(text, 10)} == {"a cat "}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(a) [b] {c}", []),
        ("(a", [(0, "(")]),
        ("a) b", [(1, ")")]),
        (r"\(a\) \[", []),
        ("a # :-)\n(b", [(8, "(")]),
        ("([a)", [(1, "[")]),
        ("([a)]", [(1, "["), (4, "]")]),
        ("}{", [(0, "}"), (1, "{")]),
        ("(" * 20, [(k, "(") for k in range(8)]),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, expected: list[tuple[int, str]]) -> None:
    assert mistakes(text) == tuple(Mistake(*one) for one in expected)


def test_a_mistake_in_words() -> None:
    assert str(Mistake(0, "(")) == "( at character 1 is never closed"
    assert str(Mistake(4, "]")) == "] at character 5 closes nothing"


WORDS = [
    "(", ")", "[", "]", "{", "}", "|", ":", "\\", "#", "\n", " ", ",", "a", "b c", "1.2", ":1.2)",
    "0.4]", "3]", "BREAK", "AND", "__a__", "<lora:a:1>", "é", "\x00",
]  # fmt: skip
texts = st.lists(st.sampled_from(WORDS), max_size=60).map("".join) | st.text(max_size=200)


@settings(max_examples=500)
@given(texts)
def test_brackets_that_are_read_print_back_to_the_text(text: str) -> None:
    for kinds in ("([{", "(["):
        assert flat(pieces(text, kinds)) == text
        assert characters(pieces(text, kinds)) == len(text)


@settings(max_examples=500)
@given(texts)
def test_weights_that_are_read_print_back_to_the_same(text: str) -> None:
    try:
        read = runs(text)
    except ValueError as error:
        assert "allowed: from -100 to 100" in str(error)
        return
    assert runs(typed(read)) == read
    assert all(isinstance(run, Run) and run.words for part in read for run in part)


@settings(max_examples=300)
@given(texts, st.integers(1, 30))
def test_stages_cover_every_step_once(text: str, steps: int) -> None:
    told = stages(text, steps)
    lasts = [stage.last for stage in told]
    assert lasts == sorted(set(lasts)) and lasts[-1] == steps and lasts[0] >= 1
    if not any(mark in text for mark in "[|"):
        assert told == (Stage(steps, text),)


@settings(max_examples=500)
@given(texts)
def test_a_text_has_mistakes_as_long_as_its_brackets_do_not_pair(text: str) -> None:
    for mistake in mistakes(text):
        assert text[mistake.at] == mistake.bracket
    assert not mistakes("".join(c for c in text if c not in "()[]{}"))


UNITS = [
    "(", ")", "[", "]", "(a", "[a|", "[a:", "(a:1.1", "([", "([a)]", "[a:b:0.4]", "[a|b]", "\\", "#", " ",
    "a", "1", ":1", ":1.1)", "(a:0.99)", "BREAK ", "{a|", "{a|b}", "__", "_", "__a ", "[a:", ":0.5]",
    "<lora:", "AND", "{",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_no_text_takes_long(unit: str) -> None:
    """4,000 characters, bracket upon bracket: milliseconds; what grows with the square would take seconds.

    The best of three counts: a machine may be busy, or tidy its memory, in one of them.
    """
    half = (unit * 4000)[:2000]
    for text in (half * 2, half + half.translate(str.maketrans("([{", ")]}"))):
        assert min(seconds_of_all_readings(text) for _ in range(3)) < 0.5


def seconds_of_all_readings(text: str) -> float:
    """Of the processor's time, everything that is done with a text before it is drawn."""
    started = time.process_time()
    mistakes(text)
    assert cut(without_asides(text))
    assert len(expanded(text, by_seed(1, ""), {"a": ("a",)})) <= len(text)
    for stage in stages(text, 20)[:2]:
        try:
            runs(stage.text)
        except ValueError as error:
            assert "got a weight of" in str(error)
    return time.process_time() - started
