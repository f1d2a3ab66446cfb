"""Other studios' files give their recipes: what means the same is taken over, the rest is told, all of it."""

import json
from collections import Counter
from pathlib import Path

import pytest

from gallery.metadata import restore
from gallery.parameters import SAMPLER_NAMES, SCHEDULE_NAMES
from gallery.studios import (
    STUDIOS,
    a1111,
    comfyui,
    drawthings,
    fooocus,
    hires,
    invokeai,
    names,
    novelai,
    sdnext,
    syntax,
)
from pipelines.edit import steps_run
from pipelines.prompt import loras
from pipelines.prompt.choices import by_seed, expanded
from pipelines.prompt.emphasis import runs
from pipelines.recipe import CHOICES, Recipe
from tests.gallery.sampled import SAMPLES, texts_of, write


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_becomes_the_recipe_beside_it(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    found = restore(write(tmp_path / "given", sample["file"], texts_of(sample)))
    assert found.recipe == Recipe.read(sample["recipe"])
    assert sorted(found.notes) == sorted(sample["notes"])
    assert found.studio == sample["studio"]


def test_there_are_several_samples_of_each_studio() -> None:
    counted = Counter(sample["studio"] for sample in SAMPLES.values())
    assert set(counted) == {studio.name for studio in STUDIOS}
    assert len(SAMPLES) >= 40 and min(counted.values()) >= 2


@pytest.mark.parametrize(
    ("field", "table"),
    [
        ("sampler", SAMPLER_NAMES | a1111.MORE_SAMPLERS),
        ("sampler", names.SAMPLERS),
        ("sampler", invokeai.SAMPLERS),
        ("sampler", sdnext.SAMPLERS),
        ("sampler", novelai.SAMPLERS),
        ("sampler", drawthings.SAMPLERS),
        ("schedule", SCHEDULE_NAMES | a1111.MORE_SCHEDULES),
        ("schedule", fooocus.SCHEDULES),
        ("schedule", sdnext.SIGMAS),
        ("schedule", novelai.SCHEDULES),
    ],
)
def test_names_translate_both_ways(field: str, table: dict[str, str]) -> None:
    assert set(table) <= set(CHOICES[field])
    assert len({theirs.casefold() for theirs in table.values()}) == len(table)


@pytest.mark.parametrize(
    ("field", "ours"),
    [
        ("sampler", names.SAMPLER_ALIASES.values()),
        ("sampler", invokeai.OLD_SAMPLERS.values()),
        ("sampler", sdnext.OF_ORDER.values()),
        ("sampler", comfyui.SAMPLERS.values()),
        ("sampler", a1111.AUTOMATIC),
        ("schedule", a1111.AUTOMATIC.values()),
        ("schedule", comfyui.SCHEDULERS.values()),
        ("schedule", comfyui.AYS.values()),
        ("schedule", sdnext.SPACINGS),
    ],
)
def test_other_tables_name_what_is_here(field: str, ours: list[str]) -> None:
    assert set(ours) <= set(CHOICES[field])


def weights(text: str) -> list[tuple[str, float]]:
    return [(run.words, round(run.weight, 3)) for part in runs(text) for run in part]


@pytest.mark.parametrize(
    ("theirs", "drawn"),
    [
        ("a cat", [("a cat", 1)]),
        ("a cat++ sat", [("a ", 1), ("cat", 1.21), (" sat", 1)]),
        ("(a cat)1.3 sat-", [("a cat", 1.3), (" ", 1), ("sat", 0.9)]),
        ("(a (cat)1.2 sat)--", [("a ", 0.81), ("cat", 0.972), (" sat", 0.81)]),
        ("well-known (plain) [word]", [("well-known plain [word]", 1)]),
        (r"a \(cat\) (", [("a (cat) (", 1)]),
        (")1.5 a", [(")1.5 a", 1)]),
    ],
)
def test_compel_weighs_the_same_words(theirs: str, drawn: list[tuple[str, float]]) -> None:
    assert weights(syntax.compel(theirs)) == drawn


@pytest.mark.parametrize(
    ("theirs", "drawn"),
    [
        ("{a} b", [("a", 1.05), (" b", 1)]),
        ("{{a}} [b]", [("a", 1.103), (" ", 1), ("b", 0.952)]),
        ("1.5::a b:: c", [("a b", 1.5), (" c", 1)]),
        ("-1::a:: (b)", [("a", -1), (" (b)", 1)]),
        ("{a [b} c", [("{a [b} c", 1)]),
        ("ratio 16:9", [("ratio 16:9", 1)]),
    ],
)
def test_curly_brackets_weigh_the_same_words(theirs: str, drawn: list[tuple[str, float]]) -> None:
    assert weights(syntax.curly(theirs)) == drawn


@pytest.mark.parametrize(
    "words", ["[a:b:0.5]", "rock AND roll", "BREAK it", "# 1", r"back\slash", "[x]", "<lora:a:1>", "__x__"]
)
def test_what_is_only_words_there_stays_words_here(words: str) -> None:
    written = syntax.weighed(words)
    assert [run.words for part in runs(written.replace(r"\#", "#")) for run in part] == [words]
    assert loras(written) == ()


def test_a_choice_of_words_is_not_made_where_it_was_none() -> None:
    written = syntax.weighed("{red|blue} __animal__")
    assert expanded(written, by_seed(1, "prompt"), {"animal": ["cat"]}) == written


@pytest.mark.parametrize("strength", [0.05, 0.3, 0.35, 0.45, 0.55, 0.7, 1.0])
def test_as_many_steps_of_a_second_pass_are_run_as_a_file_says(strength: float) -> None:
    for run in range(1, 151):
        assert steps_run(strength, hires.steps_of(run, strength)) == run
    assert hires.steps_of(None, strength) == 0  # as many as the first pass has


@pytest.mark.parametrize(
    "said",
    ["Hires upscale: 9, Denoising strength: 0.5", "Hires upscale: 2, Denoising strength: 0",
     "Hires upscale: x, Denoising strength: 0.5", "Hires resize: 1e30x2, Denoising strength: 0.5",
     "Hires upscale: 2, Hires steps: 99999999, Denoising strength: 0.001"],
)  # fmt: skip
def test_a_second_pass_that_cannot_be_is_told(said: str, tmp_path: Path) -> None:
    text = f"a cat\nSteps: 9, Seed: 1, CFG scale: 2, {said}, Hires upscaler: Latent"
    found = restore(write(tmp_path / "a.png", "png", {"parameters": text}))
    assert found.recipe == Recipe(prompt="a cat", steps=9, seed=1, guidance=2.0)
    assert found.notes and all(note.startswith("Not restored: ") for note in found.notes)


def test_a_file_of_nobody_says_whose_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no settings of ours, nor of SwarmUI, .*AUTOMATIC1111"):
        restore(write(tmp_path / "a.png", "png", {"Author": "me"}))


def test_unknown_json_is_no_prompt(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON of a studio that is not known"):
        restore(write(tmp_path / "a.png", "png", {"parameters": json.dumps({"wings": 2})}))


def test_a_graph_that_says_nothing_gives_way_to_the_text_beside_it(tmp_path: Path) -> None:
    texts = {
        "prompt": '{"1": {"class_type": "Mystery", "inputs": {}}}',
        "parameters": "a cat\nSteps: 9, Seed: 1, CFG scale: 2",
    }
    found = restore(write(tmp_path / "a.png", "png", texts))
    assert found.recipe == Recipe(prompt="a cat", steps=9, seed=1, guidance=2.0)


def test_a_lora_whose_name_or_weight_means_more_in_a_prompt_is_told(tmp_path: Path) -> None:
    given = {
        "a:1><lora:b": "1",
        "fine": "nan",
        "{a|b}": "1",
        "__x__": "1",
        "c": "1e9",
        "d": "0.00001",
        "ink": "-0.5",
    }
    params = {"prompt": "x", "loras": list(given), "loraweights": list(given.values())}
    found = restore(
        write(tmp_path / "a.png", "png", {"parameters": json.dumps({"sui_image_params": params})})
    )
    assert found.recipe.prompt == "x <lora:d:0> <lora:ink:-0.5>" and len(found.notes) == 5
    assert [lora.weight for lora in loras(found.recipe.prompt)] == [0, -0.5]
