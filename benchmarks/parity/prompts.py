"""Long and weighed prompts: what AUTOMATIC1111 makes of them, written out, drawn by diffusers."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.parity.latents import RECIPE, Case, Models, Pair, our_latents, plain_pipeline, their_latents
from tests.tiny import Family

LENGTH = 77
NEGATIVE = ["d", "o", "g</w>"]


class Written(NamedTuple):
    """A prompt, and by hand: the words of each of its chunks, and the weights of some places in them."""

    prompt: str
    chunks: Sequence[tuple[list[str], dict[int, float]]]


PROMPTS = {
    "weighed": Written(
        "a (cat:1.5), [x] y",
        [(["a</w>", "ca", "t</w>", ",</w>", "x</w>", "y</w>"], {2: 1.5, 3: 1.5, 5: 1 / 1.1})],
    ),
    "long": Written("x " * 75 + "a cat", [(["x</w>"] * 75, {}), (["a</w>", "ca", "t</w>"], {})]),
    "long and weighed": Written(
        "x " * 75 + "(" + "a " * 10 + ":0.5)",
        [(["x</w>"] * 75, {}), (["a</w>"] * 10, dict.fromkeys(range(1, 11), 0.5))],
    ),
    "BREAK": Written("a BREAK (b:2)", [(["a</w>"], {}), (["b</w>"], {1: 2.0})]),
}


def as_trained(folder: Path) -> Path:
    """A copy whose text encoders' last norms are not new: those make every mean 0, to which weights scale."""
    copy = folder.with_name(f"{folder.name}-as-trained")
    if copy.is_dir():
        return copy
    shutil.copytree(folder, copy)
    draws = torch.Generator().manual_seed(1)
    for file in sorted(copy.glob("text_encoder*/*.safetensors")):
        weights = load_file(file)
        for name in weights:
            if "final_layer_norm" in name:
                weights[name] += 0.2 + 0.3 * torch.randn(weights[name].shape, generator=draws)
        save_file(weights, file, {"format": "pt"})
    return copy


@torch.inference_mode()
def read(tokenizer: Any, encoder: Any, words: list[str], deep: bool) -> tuple[Tensor, Any]:
    """(77, D) of one chunk, and all that transformers' text encoder says; ``deep`` as SDXL reads it."""
    named = ["<|startoftext|>", *words, "<|endoftext|>"]
    fill = tokenizer.pad_token
    ids = tokenizer.convert_tokens_to_ids(named + [fill] * (LENGTH - len(named)))
    said = encoder(torch.tensor([ids]), output_hidden_states=True)
    return (said.hidden_states[-2] if deep else said.last_hidden_state)[0], said


def emphasised(hidden: Tensor, weights: dict[int, float]) -> Tensor:
    """One chunk (77, D) with the weights of some places, scaled to its old mean."""
    weighed = hidden.clone()
    for place, weight in weights.items():
        weighed[place] *= weight
    return weighed * (hidden.mean() / weighed.mean())


def encoded(pipeline: Any, chunks: Sequence[tuple[list[str], dict[int, float]]]) -> tuple[Tensor, Any]:
    """(1, n * 77, D) of all encoders side by side, and SDXL's pooled first chunk."""
    encoders = [(pipeline.tokenizer, pipeline.text_encoder)]
    second = pipeline.components.get("text_encoder_2")
    if second is not None:
        encoders.append((pipeline.tokenizer_2, second))
    sides, pooled = [], None
    for tokenizer, encoder in encoders:
        told = [read(tokenizer, encoder, words, second is not None) for words, _ in chunks]
        parts = [emphasised(hidden, weights) for (hidden, _), (_, weights) in zip(told, chunks, strict=True)]
        sides.append(torch.cat(parts))
        pooled = told[0][1].text_embeds if encoder is second else None
    return torch.cat(sides, -1)[None], pooled


def _run(models: Models, family: Family, name: str) -> Pair:
    """``without``: the first word alone."""
    folder = as_trained(models.folder(family))
    written = PROMPTS[name]
    pipeline = plain_pipeline(folder, family)
    empty = [([], {})] * (len(written.chunks) - 1)
    told, pooled = encoded(pipeline, written.chunks)
    away, pooled_away = encoded(pipeline, [(NEGATIVE, {}), *empty])
    embeds: dict[str, Any] = {"prompt_embeds": told, "negative_prompt_embeds": away}
    if pooled is not None:
        embeds |= {"pooled_prompt_embeds": pooled, "negative_pooled_prompt_embeds": pooled_away}
    theirs = their_latents(pipeline, RECIPE, prompt=None, negative_prompt=None, **embeds)
    parts = models.parts(folder)
    ours = our_latents(RECIPE.model_copy(update={"prompt": written.prompt}), parts)
    return Pair(ours, theirs, our_latents(RECIPE.model_copy(update={"prompt": "a"}), parts))


def _skipped(models: Models) -> Pair:
    """Clip skip 2: the last layer but one, through the last norm; diffusers' own looks for that elsewhere."""
    folder = as_trained(models.folder("sd"))
    pipeline = plain_pipeline(folder, "sd")
    tokenizer, encoder = pipeline.tokenizer, pipeline.text_encoder
    with torch.inference_mode():
        told, away = (
            encoder.final_layer_norm(read(tokenizer, encoder, words, deep=True)[0])[None]
            for words in (["a</w>", "ca", "t</w>"], NEGATIVE)
        )
    embeds: dict[str, Any] = {"prompt_embeds": told, "negative_prompt_embeds": away}
    theirs = their_latents(pipeline, RECIPE, prompt=None, negative_prompt=None, **embeds)
    parts = models.parts(folder)
    ours = our_latents(RECIPE.model_copy(update={"clip_skip": 2}), parts)
    return Pair(ours, theirs, our_latents(RECIPE, parts))


CASES = [
    *(Case(f"Prompt, SD 1.5: {name}", partial(_run, family="sd", name=name)) for name in PROMPTS),
    *(Case(f"Prompt, SDXL: {name}", partial(_run, family="sdxl", name=name)) for name in PROMPTS),
    Case("Prompt, SD 1.5: clip skip 2", _skipped),
]
