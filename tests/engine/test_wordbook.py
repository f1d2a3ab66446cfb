"""Wildcards come from one folder and no other place, and what is wrong with a file is a sentence."""

import os
from pathlib import Path

import pytest

from engine import WildcardFolder, styles_in
from engine.wordbook import MOST_BYTES
from pipelines.prompt import by_seed, expanded


@pytest.fixture
def folder(tmp_path: Path) -> WildcardFolder:
    home = tmp_path / "home" / "wildcards"
    (home / "colours").mkdir(parents=True)
    (home / "animal.txt").write_text("\ufeffa cat\r\n\n  # no wolves\na dog # nor these\n", "utf-8")
    (home / "colours" / "warm.txt").write_text("red\norange", "utf-8")
    (home / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    (home / "empty.txt").write_text("\n# nothing\n")
    (home / "large.txt").write_text("x\n" * MOST_BYTES)
    (home / "bad name.txt").write_text("x")
    (tmp_path / "secret.txt").write_text("secret")
    (home / "away.txt").symlink_to(tmp_path / "secret.txt")
    (home / "round.txt").symlink_to(home / "round.txt")
    return WildcardFolder(home)


def test_lines_are_found_by_name(folder: WildcardFolder) -> None:
    assert folder["animal"] == ("a cat", "a dog")
    assert folder["colours/warm"] == ("red", "orange")
    assert list(folder) == ["animal", "bytes", "colours/warm", "empty", "large"] and len(folder) == 5
    assert expanded("__colours/warm__", by_seed(1, "Prompt"), folder) in ("red", "orange")
    assert list(WildcardFolder(Path("/nowhere/at/all"))) == []


@pytest.mark.parametrize(
    "name", ["secret", "../secret", "../../secret", "away", "round", "/etc/passwd", "colours", "bad name",
             "a\x00", "colours/../animal", "colours//../../secret", "", "animal.txt", "x" * 5000, "~root"]
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(name: str, folder: WildcardFolder) -> None:
    with pytest.raises(KeyError):
        folder[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bytes", "got __bytes__, whose file is not text; allowed: UTF-8."),
        ("empty", "got __empty__, whose file is empty; allowed: a line or more."),
        ("large", "got __large__, whose file is larger than is read; allowed: 1048576 bytes."),
        ("gone", "got __gone__; allowed: animal, bytes, colours/warm, empty, large."),
    ],
)
def test_what_is_wrong_with_a_file_is_told(name: str, message: str, folder: WildcardFolder) -> None:
    with pytest.raises(ValueError) as error:
        expanded(f"__{name}__", by_seed(1, "Prompt"), folder)
    assert str(error.value) == message


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(folder: WildcardFolder, tmp_path: Path) -> None:
    (tmp_path / "home" / "wildcards" / "animal.txt").chmod(0)
    with pytest.raises(ValueError, match="not readable"):
        folder["animal"]


def test_styles_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "styles.csv"
    assert styles_in(file) == ()
    file.write_text("\ufeffname,prompt,negative_prompt\nInk,ink of {prompt},\n", "utf-8")
    assert [style.name for style in styles_in(file)] == ["Ink"]
    file.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="not text"):
        styles_in(file)
