"""The starter's words: a CLIP-style BPE tokenizer and a CLIP text encoder that learns to read captions.

Before the U-Net sees it, the encoder is taught to *read*: from its states at and after the end of the text, a
linear head must tell what the caption says (objects, count, relation, background, size, style). Synonyms and
paraphrases thereby land close together, which image-text contrast would need far more data for.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.data.scenes import Scene, caption, describe
from training.data.vocabulary import COLOURS, SETTINGS, SIZES, STYLES, THINGS

LENGTH = 77  # tokens, with start and end, as in every CLIP
WIDTH = 256
START, END = "<|startoftext|>", "<|endoftext|>"


def captions(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [caption(describe(rng), rng) for _ in range(count)]


def build_tokenizer(texts: Iterable[str], folder: Path, merges: int = 1500) -> CLIPTokenizer:
    """Train byte-level BPE as CLIP's is (lower case, ``</w>`` ends a word) and save it in ``folder``."""
    tokenizer = Tokenizer(models.BPE(continuing_subword_prefix="", end_of_word_suffix="</w>", fuse_unk=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = Regex(
        r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=2 * len(alphabet) + merges,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    pairs = [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    tokens = dict.fromkeys(
        [*alphabet, *(a + "</w>" for a in alphabet), *(a + b for a, b in pairs), START, END]
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(
        json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False), encoding="utf-8"
    )
    lines = ["#version: 0.2", *(" ".join(p) for p in pairs)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    clip = CLIPTokenizer.from_pretrained(
        folder, bos_token=START, eos_token=END, unk_token=END, pad_token=END, model_max_length=LENGTH
    )
    clip.save_pretrained(folder)
    return clip


def build_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            bos_token_id=tokenizer.bos_token_id,  # pyright: ignore[reportArgumentType]
            eos_token_id=tokenizer.eos_token_id,  # pyright: ignore[reportArgumentType]
            pad_token_id=tokenizer.pad_token_id,  # pyright: ignore[reportArgumentType]
        )
    )


COLOUR_NAMES, SETTING_NAMES = list(COLOURS), list(SETTINGS)
QUESTIONS = {  # what the caption says -> number of possible answers; 0 is "not said"
    "first": len(THINGS) + 1,
    "second": len(THINGS) + 1,
    "count": 4,
    "axis": 3,
    "top": len(COLOURS) + 1,
    "bottom": len(COLOURS) + 1,
    "setting": len(SETTINGS) + 1,
    "size": len(SIZES) + 1,
    "style": len(STYLES) + 1,
}


def answers(scene: Scene, text: str) -> list[int]:
    """The true answers to ``QUESTIONS``; the first object is the left or upper one of a pair."""
    first, second = scene.objects[0].thing, scene.objects[1].thing if len(scene.objects) > 1 else None
    alone = second is None or second == first
    if scene.relation in ("right of", "below"):
        assert second is not None
        first, second = second, first
    axis = {None: 0, "left of": 1, "right of": 1, "above": 2, "below": 2}[scene.relation]
    said = scene.background.colours
    kind = scene.background.kind
    top = COLOUR_NAMES.index(said[0]) + 1 if said else 0
    bottom = COLOUR_NAMES.index(said[-1]) + 1 if said else 0
    setting = SETTING_NAMES.index(kind) + 1 if kind in SETTINGS else 0
    return [
        first + 1,
        0 if alone else (second or 0) + 1,
        len(scene.objects) if alone else 0,
        axis,
        top,
        bottom,
        setting,
        list(SIZES).index(scene.size) + 1 if scene.size else 0,
        list(STYLES).index(scene.style) + 1 if scene.style else 0,
    ]


class Reader(nn.Module):
    """Text encoder and the linear heads that question it. The heads are thrown away after training."""

    def __init__(self, encoder: CLIPTextModel) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.Linear(WIDTH, sum(QUESTIONS.values()))

    def forward(self, tokens: Tensor, where: Tensor, truth: Tensor) -> dict[str, Tensor]:
        """tokens (B, L); where (B, 2) positions from the end of the text on; truth (B, Q), -1 = not asked."""
        states = self.encoder(tokens).last_hidden_state  # (B, L, WIDTH)
        asked = states.gather(1, where[..., None].expand(-1, -1, states.shape[-1]))  # (B, 2, WIDTH)
        logits = self.heads(asked).float().split(list(QUESTIONS.values()), dim=-1)
        losses, right = [], []
        for k, row in enumerate(logits):
            goal = truth[:, None, k].expand(-1, row.shape[1])
            losses.append(nn.functional.cross_entropy(row.flatten(0, 1), goal.flatten(), ignore_index=-1))
            right.append(((row.argmax(-1) == goal) | (goal < 0)).float())
        all_right = torch.stack(right).amin(0).mean()
        return {"loss": torch.stack(losses).sum(), "all_right": all_right}


class TextTask:
    """Short windows first (a caption is under 32 tokens), the full 77 from ``full_from`` steps on."""

    def __init__(self, tokenizer: CLIPTokenizer, seed: int, batch: int, full_from: int) -> None:
        self.tokenizer, self.seed, self.size, self.full_from = tokenizer, seed, batch, full_from
        self.module = Reader(build_encoder(tokenizer))

    def batch(self, step: int, rank: int) -> tuple[Tensor, ...]:
        rng = np.random.default_rng((self.seed, 7, step, rank))
        length, count = (32, self.size) if step < self.full_from else (LENGTH, self.size // 2)
        texts, truth = [], []
        for _ in range(count):
            scene = describe(rng)
            texts.append(caption(scene, rng))
            truth.append(_asked(answers(scene, texts[-1]), texts[-1], scene))
        tokens = self.tokenizer(
            texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids  # (B, L)
        ends = (tokens == self.tokenizer.eos_token_id).int().argmax(1)
        later = torch.from_numpy(rng.integers(ends.numpy(), length))
        return tokens, torch.stack([ends, later], 1), torch.tensor(truth)

    def sample(self) -> None:
        return None


def _asked(row: list[int], text: str, scene: Scene) -> list[int]:
    """Backgrounds that the caption leaves out are not asked for (-1)."""
    kind = scene.background.kind
    words = SETTINGS.get(kind)
    colours = (*scene.background.colours, "gray", "turquoise")
    said = (
        any(w in text for w in words)
        if words
        else any(
            f"{c} background" in text or f"on {c}" in text or f"{c} gradient" in text or f"from {c}" in text
            for c in colours
        )  # fmt: skip
    )
    return row if said else [*row[:4], -1, -1, -1, *row[7:]]
