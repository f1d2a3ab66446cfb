"""CLIP's tokenizer: a model's own files, or the vocabulary that the studio ships. Knows no networks."""

from pathlib import Path
from typing import Any

from models.defaults import read_json

MERGES = Path(__file__).parent / "families" / "clip" / "merges.txt"
BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def read_tokenizer(folder: Path) -> Any:
    """transformers' CLIPTokenizer of ``folder``; one without a vocabulary gets CLIP's own.

    Encoders differ in what they fill a text up with: the end token (CLIP ViT-L), or "!" (OpenCLIP's).
    """
    from transformers import CLIPTokenizer

    if (folder / "tokenizer.json").exists() or (folder / "vocab.json").exists():
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    settings = read_json(folder / "tokenizer_config.json")
    merges = [tuple(line.split()) for line in MERGES.read_text("utf-8").splitlines()[1:]]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(_tokens(merges))},
        merges=merges,  # type: ignore[arg-type]  # pairs, as the tokenizers library wants them
        pad_token=settings["pad_token"],
        model_max_length=settings["model_max_length"],
    )


def _tokens(merges: list[tuple[str, ...]]) -> list[str]:
    """In the order of their numbers: bytes within a word, bytes at its end, what is merged, begin and end."""
    printed = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    alphabet = [chr(byte) for byte in printed] + [chr(256 + k) for k in range(256 - len(printed))]
    return [*alphabet, *(c + "</w>" for c in alphabet), *map("".join, merges), BEGIN, END]
