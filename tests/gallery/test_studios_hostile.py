"""Damaged and hostile texts of other studios: each gives a recipe or a sentence, soon, and nothing else."""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gallery.metadata import MetadataError, Restored, restore, restore_from
from gallery.pictures import PictureError
from pipelines.recipe import Recipe
from tests.gallery.sampled import SAMPLES, texts_of, write

MOST_SECONDS = 1.0  # of CPU
JSON_TEXTS = ("parameters", "prompt", "workflow", "invokeai_metadata", "sd-metadata", "Comment")
HUGE = [
    10**400,
    -1,
    2**63,
    1e308,
    "9" * 5000,
    "1" * 19 + ".5",
    "1e999",
    "",
    None,
    True,
    [],
    {},
    [[]],
    "x" * 100_000,
]


def read(texts: dict[str, str]) -> Restored | None:
    """What a picture with these texts gives, within the time allowed; None where it is a clear sentence."""
    image = Image.new("RGB", (8, 8))
    image.info |= texts
    started = time.process_time()
    try:
        found = restore_from(image)
        assert isinstance(found.recipe, Recipe) and all(len(note) < 400 for note in found.notes)
        assert len(found.notes) < 120
    except MetadataError as error:
        found = None
        assert (
            str(error).startswith("Picture: ") and str(error).endswith((".", ")")) and len(str(error)) < 9000
        )
    assert time.process_time() - started < MOST_SECONDS
    return found


def chunks(name: str) -> dict[str, str]:
    """A sample's texts as if they were all chunks of a PNG."""
    texts = texts_of(SAMPLES[name])
    as_chunks = {"usercomment": "parameters", "usercomment-le": "parameters", "exif:0x9286": "parameters"}
    return {as_chunks.get(key, key): value.removeprefix("prompt:") for key, value in texts.items()}


def damaged() -> Iterator[tuple[str, dict[str, str]]]:
    """(what was done, the texts), four of each sample and more of those with JSON; the same every time."""
    rng = random.Random(5)
    for name in SAMPLES:
        texts = chunks(name)
        key = max(texts, key=lambda each: len(texts[each]))
        text = texts[key]
        yield f"{name} cut", {**texts, key: text[: rng.randrange(len(text))]}
        yield f"{name} without its beginning", {**texts, key: text[rng.randrange(len(text)) :]}
        flipped = list(text)
        for _ in range(12):
            flipped[rng.randrange(len(flipped))] = chr(
                rng.choice([0, 34, 44, 58, 92, 123, 125, 0x2028, 0xD7FF])
            )
        yield f"{name} with characters changed", {**texts, key: "".join(flipped)}
        yield f"{name} with its numbers grown", {**texts, key: _grown(text, rng)}
        if key in JSON_TEXTS and text.startswith("{"):
            values = json.loads(text)
            for k in range(2):
                wrong = json.dumps(_with_wrong(values, rng))
                yield f"{name} with wrong types {k}", {**texts, key: wrong}


def _grown(text: str, rng: random.Random) -> str:
    digits = [k for k, letter in enumerate(text) if letter.isdigit()]
    for k in sorted(rng.sample(digits, min(4, len(digits))), reverse=True):
        text = (
            text[:k] + rng.choice(["9" * 400, "NaN", "Infinity", "1e9999", "-1", "0.0000001"]) + text[k + 1 :]
        )
    return text


def _with_wrong(value: Any, rng: random.Random) -> Any:
    """A value with a fifth of what is in it replaced, somewhere in it."""
    if rng.random() < 0.2:
        return rng.choice([each for each in HUGE if not isinstance(each, int) or abs(each) < 1e300])
    if isinstance(value, dict):
        return {key: _with_wrong(each, rng) for key, each in value.items()}
    return [_with_wrong(each, rng) for each in value] if isinstance(value, list) else value


DAMAGED = dict(damaged())


def test_there_are_two_hundred_damaged_ones() -> None:
    assert len(DAMAGED) >= 200


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_gives_a_recipe_or_a_sentence(name: str) -> None:
    read(DAMAGED[name])


def test_damage_is_seen_and_what_is_left_is_read() -> None:
    found = [read(texts) for texts in DAMAGED.values()]
    assert 20 < sum(each is None for each in found) < len(found) - 20  # both happen


def _ring(size: int, kind: str, name: str) -> dict[str, Any]:
    """A sampler whose ``name`` leads into a ring of nodes of one kind."""
    nodes: dict[str, Any] = {
        str(k): {"class_type": kind, "inputs": {n: [str((k + 1) % size), 0] for n in _NAMES}}
        for k in range(size)
    }
    sampler = {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 5, name: ["0", 0]}}
    return nodes | {"s": sampler, "out": {"class_type": "SaveImage", "inputs": {"images": ["s", 0]}}}


_NAMES = (
    "model",
    "clip",
    "positive",
    "conditioning",
    "conditioning_1",
    "conditioning_2",
    "latent_image",
    "text",
    "",
)
_KINDS = ("LoraLoader", "Reroute", "ConditioningCombine", "ConditioningConcat", "CLIPTextEncode", "KSampler",
          "ControlNetApplyAdvanced", "CLIPSetLastLayer", "Unknown")  # fmt: skip


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("name", ["model", "positive", "latent_image", "seed", "guider"])
def test_a_graph_with_a_cycle_ends(kind: str, name: str) -> None:
    for size in (1, 3, 900):
        read({"prompt": json.dumps(_ring(size, kind, name))})


def test_a_graph_that_doubles_at_every_step_ends() -> None:
    nodes: dict[str, Any] = {
        str(k): {"class_type": "ConditioningCombine",
                 "inputs": {"conditioning_1": [str(k + 1), 0], "conditioning_2": [str(k + 1), 1]}}
        for k in range(4000)
    }  # fmt: skip
    nodes["s"] = {"class_type": "KSampler", "inputs": {"steps": 5, "positive": ["0", 0]}}
    found = read({"prompt": json.dumps(nodes)})
    assert found is not None and found.recipe.steps == 5


def test_a_graph_of_too_many_nodes_is_refused() -> None:
    nodes = {str(k): {"class_type": "A", "inputs": {}} for k in range(6000)}
    assert read({"prompt": json.dumps(nodes)}) is None


@pytest.mark.parametrize("key", [*JSON_TEXTS, "Dream", "xmp", "usercomment"])
@pytest.mark.parametrize(
    "text",
    [
        "[" * 500_000,
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        '{"sui_image_params": {"prompt": "' + "(" * 400_000 + '"}}',
        '{"full_prompt": ["' + "a++ " * 100_000 + '"]}',
        '{"positive_prompt": "' + "-" * 900_000 + '"}',
        '{"prompt": "' + "{[1.5::" * 100_000 + '"}',
        '"' + "\\\\" * 200_000,
        '"x"' + " -" * 200_000,
        "x\n" + "a: , " * 20_000,
        "a" * 10_000_000,
        '{"c": "' + "a" * 10_000_000 + '", "uc": ""}',
        "<exif:UserComment>" * 40_000,
        '{"1": {"class_type": "KSampler", "inputs": {"seed": '
        + "9" * 4000
        + ', "cfg": NaN, "steps": -Infinity}}}',
        "\x00" * 100_000,
    ],
    ids=lambda text: text[:12],
)
def test_no_text_takes_long(key: str, text: str) -> None:
    read({key: text, "Software": "NovelAI"})


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_bytes_changed_in_the_file_itself(kind: str, tmp_path: Path) -> None:
    """The file meets the decoder first: what it throws is a picture's error, not another one."""
    key = "parameters" if kind == "png" else "usercomment"
    text = "a cat, (sleeping:1.2)\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 3, Size: 512x512"
    whole = write(tmp_path / "whole", kind, {key: text}).read_bytes()
    rng, file, given = random.Random(7), tmp_path / "given", 0
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 4, 30])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        file.write_bytes(data[: rng.choice([len(data), rng.randrange(1, len(data))])])
        try:
            given += isinstance(restore(file).recipe, Recipe)
        except (PictureError, MetadataError) as error:
            assert str(error).startswith("Picture: ")
    assert given > 0
