"""The starter's words: a CLIP-style BPE tokenizer and a CLIP text encoder that learns to read captions.

Before the U-Net sees it, the encoder is taught to *read*: from its states at and after the end of the text,
linear heads must tell what the caption says (objects, count, relation, background, size, style) and what that
looks like. Synonyms and paraphrases thereby land close together, which image-text contrast would need far
more data for, and the U-Net finds the look of things there instead of having to learn it by heart.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.data.glyphs import sized
from training.data.scenes import caption, describe
from training.data.vocabulary import THINGS
from training.starter.cache import LENGTH, Cache
from training.starter.codes import CHANNELS, EDGE, Codes, codes, to_grid, to_tensor
from training.starter.questions import QUESTIONS

WIDTH = 256
GLYPH = 72  # pixels of an object that the heads must know the look of
PATCHES = EDGE**2  # of a scene, a place of the latents each
LOOKS_WEIGHT = 4.0
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


class Reader(nn.Module):
    """Text encoder and the linear heads that question it. The heads are thrown away after training.

    Like CLIP's, its states must say what things look like: from any state after the end of a caption the
    heads tell what it says and the codes of its objects, and the last ``PATCHES`` states tell, a patch each,
    the codes of the scene that the words make expect, and which patch it is, so that attention can find it.
    """

    def __init__(self, encoder: CLIPTextModel, codes: Codes) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.Linear(WIDTH, sum(QUESTIONS.values()))
        self.register_buffer("glyphs", glyph_codes(codes), persistent=False)  # (THINGS + 1, G)
        self.glyphs: Tensor
        self.objects = nn.Linear(WIDTH, 2 * self.glyphs.shape[1])
        self.scene = nn.Linear(WIDTH, CHANNELS)
        self.place = nn.Linear(WIDTH, 2 * EDGE)

    def forward(self, tokens: Tensor, where: Tensor, truth: Tensor, codes: Tensor) -> dict[str, Tensor]:
        """tokens (B, L); where (B, 2) positions from the end of the text on; truth (B, Q), -1 = not asked;
        codes (B, C, h, w) of the scene to expect."""
        states = self.encoder(tokens).last_hidden_state  # (B, L, WIDTH)
        asked = states.gather(1, where[..., None].expand(-1, -1, states.shape[-1]))  # (B, 2, WIDTH)
        logits = self.heads(asked).float().split(list(QUESTIONS.values()), dim=-1)
        losses, right = [], []
        for k, row in enumerate(logits):
            goal = truth[:, None, k].expand(-1, row.shape[1])
            losses.append(nn.functional.cross_entropy(row.flatten(0, 1), goal.flatten(), ignore_index=-1))
            right.append(((row.argmax(-1) == goal) | (goal < 0)).float())
        looks = self.glyphs[truth[:, :2]].flatten(1)[:, None]  # (B, 1, 2 G): first and second object
        objects = (self.objects(asked).float() - looks).square().mean()
        patches = codes.flatten(2).mT  # (B, PATCHES, C)
        scene = (self.scene(states[:, -PATCHES:]).float() - patches).square().mean()
        place = self._places(states[:, -PATCHES:])
        loss = torch.stack(losses).sum() + LOOKS_WEIGHT * (objects + scene) + place
        all_right = torch.stack(right).amin(0).mean()
        return {"loss": loss, "all_right": all_right, "objects": objects, "scene": scene, "place": place}

    def _places(self, states: Tensor) -> Tensor:
        """How badly the patches' states (B, PATCHES, WIDTH) tell their rows and columns: cross-entropy."""
        told = self.place(states).float().unflatten(2, (2, EDGE)).permute(0, 3, 1, 2)  # (B, EDGE, PATCHES, 2)
        at = torch.arange(PATCHES, device=told.device)
        true = torch.stack((at // EDGE, at % EDGE), 1)  # (PATCHES, 2)
        return nn.functional.cross_entropy(told, true.expand(len(told), -1, -1))


def glyph_codes(codes: Codes) -> Tensor:
    """(THINGS + 1, G): the codes of each object alone at ``GLYPH`` pixels, less those of the gray around it,
    of unit variance; row 0 is no object."""
    gray = np.full((GLYPH, GLYPH, 3), 128, np.uint8)
    pictures = [gray]
    for thing in THINGS:
        image = Image.fromarray(gray)
        glyph = sized(thing.glyph, GLYPH)
        image.paste(glyph, (0, 0), glyph)
        pictures.append(np.asarray(image))
    found = codes.encode(to_tensor(np.stack(pictures))).flatten(1)
    found = found - found[:1]
    return found / found[1:].std()


class TextTask:
    """Captions of the cached scenes."""

    def __init__(self, encoder: CLIPTextModel, cache: Cache, end: int, seed: int, batch: int) -> None:
        """``end`` is the token that ends a text."""
        self.cache, self.end, self.seed, self.size = cache, end, seed, batch
        self.module = Reader(encoder, codes(seed))

    def batch(self, step: int, rank: int) -> tuple[Tensor, ...]:
        rng = np.random.default_rng((self.seed, 7, step, rank))
        rows = rng.integers(len(self.cache.latents), size=self.size)
        which = rng.integers(self.cache.tokens.shape[1], size=self.size)
        tokens = self.cache.tokens[rows, which]  # (B, L)
        ends = (tokens == self.end).int().argmax(1)
        later = torch.from_numpy(rng.integers(ends.numpy(), LENGTH))
        where = torch.stack([ends, later], 1)
        return tokens, where, self.cache.truth[rows, which], self.cache.expected[rows].float()

    def sample(self) -> Image.Image:
        """What the last states expect of twelve captions, above the scenes to expect."""
        device = next(self.module.parameters()).device
        states = self.module.encoder(self.cache.tokens[:12, 0].to(device)).last_hidden_state
        patches = self.module.scene(states[:, -PATCHES:]).float().mT  # (12, C, PATCHES)
        both = torch.cat([patches.unflatten(2, (EDGE, EDGE)), self.cache.expected[:12].to(device).float()])
        return to_grid(codes(self.seed).decode(both), 12)
