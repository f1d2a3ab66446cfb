"""Styles as other studios keep them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.prompt import Style, read_styles

FILE = """\ufeffname,prompt,negative_prompt
Ink,"ink drawing of {prompt}, black and white","colour, photo"
Soft,soft light,
"""


def test_a_styles_file() -> None:
    ink, soft = read_styles(FILE)
    assert ink == Style("Ink", "ink drawing of {prompt}, black and white", "colour, photo")
    assert ink.around("a cat", "dogs") == ("ink drawing of a cat, black and white", "dogs, colour, photo")
    assert soft.around(" a cat", "") == ("a cat, soft light", "")
    assert soft.around("", "fog") == ("soft light", "fog")
    assert ink.around("{prompt}", "") == ("ink drawing of {prompt}, black and white", "colour, photo")


def test_the_later_of_a_name_counts() -> None:
    assert read_styles("name,prompt\nA,x\nA,y\n") == (Style("A", "y"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "without the column name"),
        ("name,text\nA,x\n", "without the column prompt"),
        ("name,prompt\n,x\n", "without a name in line 2"),
        (
            "name,prompt\n" + "".join(f"{k},x\n" for k in range(1001)),
            "got 1001 styles; allowed: at most 1000",
        ),
        ("x" * (1 << 20) + "x", "got styles of 1048577 characters"),
        ("name,prompt\nA," + "x" * 200_000, "not CSV in line"),
    ],
)
def test_what_is_no_styles_file(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_styles(text)


@given(st.text(max_size=200).map(lambda rest: "name,prompt,negative_prompt\n" + rest))
def test_any_text_gives_styles_or_a_sentence(text: str) -> None:
    try:
        assert all(isinstance(style, Style) for style in read_styles(text))
    except ValueError as error:
        assert str(error).startswith("got ")
