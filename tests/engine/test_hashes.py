"""Hashes of model files are taken when asked for, once, and written down outside of their folder."""

import hashlib
import json
from pathlib import Path

import pytest

from engine import Hashes


def test_a_hash_is_taken_once_and_kept(tmp_path: Path) -> None:
    file, notes = tmp_path / "model.safetensors", tmp_path / "hashes.json"
    file.write_bytes(b"weights")
    hashes = Hashes(notes)
    assert hashes.known(file) is None
    taken = hashes.ask(file).result(30)
    assert taken == hashlib.sha256(b"weights").hexdigest() == hashes.known(file)
    hashes.close()
    again = Hashes(notes)
    assert again.known(file) == taken and again.ask(file).result(0) == taken
    file.write_bytes(b"other weights")
    assert again.known(file) is None
    again.close()


def test_a_file_that_went_away_is_an_error_of_who_asked(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Hashes(tmp_path / "hashes.json").ask(tmp_path / "no")


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"a": 3}'])
def test_damaged_notes_are_begun_anew(tmp_path: Path, damage: str) -> None:
    file, notes = tmp_path / "model.safetensors", tmp_path / "hashes.json"
    file.write_bytes(b"weights")
    notes.write_text(damage)
    hashes = Hashes(notes)
    hashes.ask(file).result(30)
    hashes.close()
    assert len(json.loads(notes.read_text())) == 1
