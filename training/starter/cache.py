"""The starter's training set, rendered and coded once. Knows no networks."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTokenizer

from training.data.scenes import SIDE, caption, describe, expected, render
from training.starter.codes import CHANNELS, PIXELS, codes, to_tensor
from training.starter.questions import asked

CAPTIONS_EACH = 2  # captions cached with each scene
LENGTH = 77  # tokens, with start and end, as in every CLIP


@dataclass(frozen=True)
class Cache:
    """Codes of the scenes and of what their words make expect, (N, C, h, w) in float16; tokens
    (N, CAPTIONS_EACH, L) and what they say (N, CAPTIONS_EACH, Q)."""

    latents: Tensor
    expected: Tensor
    tokens: Tensor
    truth: Tensor


def build_cache(tokenizer: CLIPTokenizer, count: int, seed: int, file: Path) -> Cache:
    """Render and code ``count`` scenes once; kept in ``file`` (safetensors) for later runs."""
    made_from = {
        "scenes": str(count),
        "seed": str(seed),
        "tokens": str(len(tokenizer)),
        "codes": f"{CHANNELS} of {PIXELS}",
    }
    if file.exists():
        with safe_open(str(file), "pt") as saved:
            if saved.metadata() == made_from:
                names = ("latents", "expected", "tokens", "truth")
                latents, foreseen, tokens, truth = (saved.get_tensor(name) for name in names)
                return Cache(latents, foreseen, tokens.long(), truth.long())
    latents, foreseen, texts, truth = [], [], [], []
    for start in track(range(0, count, 64), "coding scenes"):
        pixels = np.empty((2, min(64, count - start), SIDE, SIDE, 3), np.uint8)
        for k in range(pixels.shape[1]):
            rng = np.random.default_rng((seed, start + k))
            scene = describe(rng)
            pixels[0, k] = render(scene, rng)
            pixels[1, k] = render(expected(scene), np.random.default_rng(seed))
            said = [caption(scene, rng) for _ in range(CAPTIONS_EACH)]
            texts += said
            truth += [asked(scene, text) for text in said]
        latents.append(codes(seed).encode(to_tensor(pixels[0])).half())
        foreseen.append(codes(seed).encode(to_tensor(pixels[1])).half())
    tokens = tokenizer(
        texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    ).input_ids
    shape = (count, CAPTIONS_EACH, -1)
    cache = Cache(
        torch.cat(latents).contiguous(),
        torch.cat(foreseen).contiguous(),
        tokens.view(shape),
        torch.tensor(truth).view(shape),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    held = {
        "latents": cache.latents,
        "expected": cache.expected,
        "tokens": cache.tokens.short(),
        "truth": cache.truth.short(),
    }
    save_file(held, str(part), made_from)
    os.replace(part, file)
    return cache
