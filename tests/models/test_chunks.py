"""Chunks, emphasis and clip skip against ids written by hand and transformers' own text encoders.

Float32, random weights: to 1e-6 of the largest value, and plain texts bit for bit.
"""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from models import Parts, load
from models.chunks import Run, Text, chunked
from models.load import STARTER
from models.text import Context
from pipelines.prompt import runs
from tests.tiny import Family, write_tiny

LENGTH = 77


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Parts]:
    home = tmp_path_factory.mktemp("families")
    kinds: list[Family] = ["sd", "sd2", "sdxl"]
    return {kind: as_trained(load(str(write_tiny(home / kind, kind)), device="cpu")) for kind in kinds}


def as_trained(parts: Parts) -> Parts:
    """Its encoders' final norms no longer new: those make every mean 0, and what scales to it nonsense."""
    draws = torch.Generator().manual_seed(1)
    for encoder in parts.encoders:
        for name, parameter in encoder.network.named_parameters():
            if "final_layer_norm" in name:
                parameter.data += 0.2 + 0.3 * torch.randn(parameter.shape, generator=draws)
    return parts


def assert_close(ours: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6 * max(1.0, expected.abs().max().item()))


def token(parts: Parts, name: str) -> int:
    return parts.encoders[0].tokenizer.convert_tokens_to_ids(name)


def row(parts: Parts, names: Sequence[str]) -> list[int]:
    """The 77 ids of one chunk, as A1111 fills it up."""
    begin, end, fill = (token(parts, f"<|{name}|>") for name in ("startoftext", "endoftext", "endoftext"))
    ids = [begin, *(token(parts, name) for name in names), end]
    return ids + [fill] * (LENGTH - len(ids))


@torch.inference_mode()
def read(parts: Parts, rows: Sequence[list[int]]) -> Tensor:
    """(B, 77, D): what transformers' CLIPTextModel says of ``rows``."""
    return parts.encoders[0].network(torch.tensor(rows)).last_hidden_state


def emphasised(hidden: Tensor, weights: dict[int, float]) -> Tensor:
    """One chunk (77, D) with the weights of some positions, scaled to its old mean: written out."""
    factors = torch.ones(LENGTH)
    for at, weight in weights.items():
        factors[at] = weight
    weighed = hidden * factors[:, None]
    return weighed * (hidden.mean() / weighed.mean())


def encode(parts: Parts, *texts: str, clip_skip: int = 1) -> Context:
    return parts.encode_prompts([[runs(text)] for text in texts], clip_skip)


PLAIN = ["a cat", "", "ca, t: the movie - 2", "x" * 75, "é \n 12"]


@pytest.mark.parametrize("family", ["sd", "sd2", "sdxl"])
def test_plain_texts_are_encoded_as_ever(family: str, models: dict[str, Parts]) -> None:
    """As the tokenizer itself cuts and fills them up: bit for bit."""
    parts = models[family]
    ours, plain = encode(parts, *PLAIN), parts.encode_text(PLAIN)
    assert torch.equal(ours.hidden, plain.hidden)
    assert (ours.pooled is None) == (plain.pooled is None) == (family != "sdxl")
    if ours.pooled is not None and plain.pooled is not None:
        assert torch.equal(ours.pooled, plain.pooled)


@pytest.mark.skipif(not (STARTER / "model_index.json").exists(), reason="the starter is not trained yet")
def test_the_starters_captions_are_encoded_as_ever() -> None:
    parts = load("starter", device="cpu", dtype=torch.float32)
    texts = ["three red apples on a blue background", "two penguins, watercolour", "", "an owl, pixel art"]
    assert torch.equal(encode(parts, *texts).hidden, parts.encode_text(texts).hidden)


def test_weights_multiply_and_the_mean_stays(models: dict[str, Parts]) -> None:
    parts = models["sd"]
    [hidden] = read(parts, [row(parts, ["a</w>", "ca", "t</w>", ",</w>", "x</w>", "y</w>"])])
    ours = encode(parts, "a (cat:1.5), [x] y").hidden
    expected = emphasised(hidden, {2: 1.5, 3: 1.5, 5: 1 / 1.1})
    assert_close(ours, expected[None])
    assert (ours - hidden).abs().max() > 0.1
    assert_close(ours.mean(), hidden.mean())
    assert hidden.mean().abs() > 0.05


def test_words_in_brackets_are_tokens_of_their_own(models: dict[str, Parts]) -> None:
    """A1111 tokenizes what has one weight together, and nothing else: "ca(t)" is no cat."""
    parts = models["sd"]
    whole, cut = runs("cat"), runs("ca(t)")
    tokenizer = parts.encoders[0].tokenizer
    assert chunked(tokenizer, whole, 75)[0].tokens == (token(parts, "ca"), token(parts, "t</w>"))
    assert len(chunked(tokenizer, cut, 75)[0].tokens) == 3


def test_long_texts_are_chunks_with_ends_of_their_own(models: dict[str, Parts]) -> None:
    parts = models["sd"]
    words = ["x</w>"] * 75 + ["a</w>"] * 10
    hidden = read(parts, [row(parts, words[:75]), row(parts, words[75:])])
    ours = encode(parts, "x " * 75 + "(" + "a " * 10 + ":0.5)").hidden
    expected = torch.cat([hidden[0], emphasised(hidden[1], dict.fromkeys(range(1, 11), 0.5))])
    assert_close(ours, expected[None])


def test_a_shorter_text_is_filled_up_with_empty_chunks(models: dict[str, Parts]) -> None:
    parts = models["sd"]
    hidden = read(parts, [row(parts, ["x</w>"] * 75), row(parts, ["x</w>"] * 5), row(parts, [])])
    dog = read(parts, [row(parts, ["d", "o", "g</w>"])])
    ours = encode(parts, "x " * 80, "dog").hidden
    assert_close(ours[0], hidden[:2].flatten(0, 1))
    assert_close(ours[1], torch.cat([dog[0], hidden[2]]))


def test_a_break_fills_its_chunk(models: dict[str, Parts]) -> None:
    parts = models["sd"]
    hidden = read(parts, [row(parts, ["a</w>"]), row(parts, []), row(parts, ["b</w>"])])
    ours = encode(parts, "a BREAK BREAK (b:2)").hidden
    expected = torch.cat([hidden[0], hidden[1], emphasised(hidden[2], {1: 2.0})])
    assert_close(ours, expected[None])
    assert encode(parts, "a BREAK").hidden.shape == (1, LENGTH, 32)  # nothing follows


def test_the_stages_of_a_prompt_share_their_mean(models: dict[str, Parts]) -> None:
    """A1111 encodes them in one call, as often as there are stages, and scales them together."""
    parts = models["sd"]
    hidden = read(parts, [row(parts, ["a</w>"]), row(parts, ["b</w>"])])
    texts: list[Text] = [((Run("a", 1.5),),), ((Run("b", 0.5),),)]
    ours = parts.encode_prompts([[texts[0], texts[1], texts[0]]]).hidden
    factors = torch.ones(3, LENGTH, 1)
    factors[:, 1, 0] = torch.tensor([1.5, 0.5, 1.5])
    told = hidden[[0, 1, 0]]
    weighed = told * factors
    expected = weighed * (told.mean() / weighed.mean())
    assert len(ours) == 2
    assert_close(ours, expected[:2])


@pytest.mark.parametrize(
    ("words", "lengths"),
    [
        ("x " * 75 + "x", [75, 1]),
        ("x " * 55 + ", " + "y " * 30, [56, 30]),  # the comma is 20 back
        ("x " * 54 + ", " + "y " * 30, [75, 10]),  # 21
        ("x " * 74 + ", " + "y " * 30, [75, 30]),
        ("x " * 75 + ", " + "y " * 30, [75, 31]),  # a comma begins a chunk
        ("x, " * 60, [75, 45]),
        ("x " * 60 + ", " + "y " * 100, [61, 75, 25]),
        ("x " * 60 + ", BREAK " + "y " * 80, [61, 75, 5]),
        ("", [0]),
        ("BREAK", [0]),
        ("BREAK a", [0, 1]),
    ],
)
def test_where_chunks_end(words: str, lengths: list[int], models: dict[str, Parts]) -> None:
    parts = models["sd"]
    chunks = chunked(parts.encoders[0].tokenizer, runs(words), 75)
    assert [len(chunk.tokens) for chunk in chunks] == lengths
    size = parts.size(runs(words))
    assert size == (75 * (len(lengths) - 1) + lengths[-1], 75 * len(lengths))


@pytest.mark.parametrize("family", ["sd", "sd2"])
def test_clip_skip_reads_an_earlier_layer_through_the_final_norm(
    family: str, models: dict[str, Parts]
) -> None:
    parts = models[family]
    network, tokenizer = parts.encoders[0].network, parts.encoders[0].tokenizer
    ids = tokenizer("a cat", padding="max_length", max_length=LENGTH, return_tensors="pt").input_ids
    with torch.inference_mode():
        layers = network(ids, output_hidden_states=True).hidden_states
        expected = network.final_layer_norm(layers[-2])
    assert_close(encode(parts, "a cat", clip_skip=2).hidden, expected)
    assert (encode(parts, "a cat").hidden - expected).abs().max() > 0.01


def test_sdxl_reads_its_last_layer_but_one_unless_told_an_earlier_one(models: dict[str, Parts]) -> None:
    """Counted from the end, as A1111 does: its 2 is SDXL's own, and its 3 is what diffusers calls 1."""
    from diffusers import StableDiffusionXLPipeline as XL

    parts = models["sdxl"]
    assert torch.equal(encode(parts, "a cat", clip_skip=2).hidden, encode(parts, "a cat").hidden)
    assert parts.text_layers == 2
    deep = Parts(**{**vars(parts), "encoders": parts.encoders[1:]})
    pipeline: Any = XL.from_pretrained(parts.path, dtype=torch.float32)
    theirs = pipeline.encode_prompt("a cat", device="cpu", do_classifier_free_guidance=False, clip_skip=1)[0]
    ours = encode(deep, "a cat", clip_skip=3).hidden
    assert_close(ours, theirs[..., 32:])


def test_both_of_sdxls_encoders_are_weighed_and_the_whole_text_is_the_first_chunks(
    models: dict[str, Parts],
) -> None:
    parts = models["sdxl"]
    long = encode(parts, "a (cat:1.5) BREAK dog")
    short, plain = encode(parts, "a (cat:1.5)"), encode(parts, "a cat")
    assert long.hidden.shape == (1, 154, 80) and long.pooled is not None and plain.pooled is not None
    assert_close(long.hidden[:, :77], short.hidden)
    assert_close(long.pooled, plain.pooled)
    for half in (slice(0, 32), slice(32, 80)):
        expected = emphasised(plain.hidden[0, :, half], {2: 1.5, 3: 1.5})
        assert_close(short.hidden[0, :, half], expected)
