"""Textual inversion: one word is taught, as vectors that the text encoder reads; nothing else changes."""

from collections.abc import Generator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from models import Parts
from models.chunks import Run, Text, framed
from models.text import TextEncoder
from training.data.buckets import Order, bucket, grouped
from training.data.folder import Folder
from training.tuning.denoising import Denoising
from training.tuning.drawing import shown
from training.tuning.material import Material, coded, pictures_of, share_of, sides_of, sizes_of
from training.tuning.tuning import At, Tuned, Tuning, TuningConfig

SAID = "a picture of {}"  # of every picture, where the settings do not say it (sec. 3 has many such)


class Teaching(nn.Module):
    """The denoising loss in the vectors of a word alone (arXiv:2208.01618, eq. 2)."""

    def __init__(self, denoising: Denoising, encoder: TextEncoder, word: str, vectors: Tensor) -> None:
        """``vectors`` (n, D), where the word begins."""
        super().__init__()
        self.denoising, self.text = denoising.requires_grad_(False), encoder.network.requires_grad_(False)
        self.vectors = nn.Parameter(vectors.clone())
        self.encoder = replace(encoder, words={word.lower(): self.vectors})

    def forward(self, x0: Tensor, ids: Tensor, t: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """ids (B, L): tokens, those of the word beyond the vocabulary."""
        context = self.encoder.read(ids.long()).hidden
        return {"loss": self.denoising.errors(x0, context, t, noise).mean()}

    def ids(self, texts: list[str], length: int) -> Tensor:
        """(B, L). Raises ``ValueError`` where one is too long."""
        cut = [self.encoder.chunks(_text(text), length) for text in texts]
        if long := [text for text, chunks in zip(texts, cut, strict=True) if len(chunks) > 1]:
            raise ValueError(f"prompt: got {long[0][:60]!r}, which is too long; allowed: {length} tokens.")
        return framed(self.encoder.tokenizer, [chunks[0] for chunks in cut], length)[0]


def begin(config: TuningConfig, parts: Parts, found: Folder, folder: Path) -> Generator[At, None, Tuned]:
    assert config.word is not None
    said = config.prompt or SAID.format(config.word)
    if config.word.lower() not in said.lower():
        raise ValueError(f"prompt: got {said!r}; allowed: one with the word {config.word!r}.")
    share_of(config)
    among = sizes_of(config, parts)
    images = pictures_of(found.examples, found.root, among)
    codes = yield from coded(parts, images, len(found.examples), config.flip)
    denoising = Denoising(parts.unet, parts.parametrisation, config.min_snr)
    [encoder] = parts.encoders
    module = Teaching(denoising, encoder, config.word, first_vectors(config, encoder))
    buckets = [bucket(one.size, among) for one in found.examples]
    order = Order(grouped(buckets, [one.repeats for one in found.examples]), config.batch, config.seed)
    ids = module.ids([said], parts.text_limit)
    learnt = Material(codes, ids, [0] * len(codes), order, 0.0, len(parts.levels))
    return Tuned(
        module,
        learnt.batch,
        partial(_shown, parts, module, config.samples or (said,), sides_of(config, parts)),
        partial(_save, module, config.word),
    )


def first_vectors(config: TuningConfig, encoder: TextEncoder) -> Tensor:
    """(n, D): those of the tokens of ``initial`` in turn, or what all of the vocabulary is like.

    Told apart by a little noise, or vectors that begin alike stay alike.
    """
    known = encoder.network.get_input_embeddings().weight.detach().float()
    tokens = encoder.tokenizer(config.initial or "", add_special_tokens=False).input_ids
    rows = known[tokens] if tokens else known.mean(0, keepdim=True)
    rows = rows[torch.arange(config.vectors) % len(rows)]
    noise = torch.randn(rows.shape, generator=torch.Generator().manual_seed(config.seed))
    return rows.clone() + 0.1 * known.std() * noise.to(rows)


def _shown(
    parts: Parts, module: Teaching, texts: tuple[str, ...], size: tuple[int, int]
) -> Image.Image | None:
    return shown(replace(parts, encoders=(module.encoder,)), texts, size)


def _save(module: Teaching, word: str, out: Path) -> Path:
    """In AUTOMATIC1111's format, under the word's name."""
    file = out / f"{word}.safetensors"
    out.mkdir(parents=True, exist_ok=True)
    tensors: Mapping[str, Tensor] = {"emb_params": module.vectors.detach().float().cpu().contiguous()}
    save_file(dict(tensors), str(file))
    return file


def _text(words: str) -> Text:
    return ((Run(words),),)


TEXTUAL_INVERSION = Tuning(
    title="Textual inversion",
    source="arXiv:2208.01618, eq. 2",
    explains="The model learns nothing; a new word is looked for that makes it draw your pictures: a few "
    "vectors in place of the word's own. The file is tiny, and says only what the model could draw before.",
    begin=begin,
    settings=("prompt", "word", "vectors", "initial", "flip"),
    needs=("word",),
    plan={"learning_rate": 5e-3, "weight_decay": 0.0},
)
