"""A causal transformer over the words of a trained VQ-VAE (as in arXiv:2012.09841, sec. 3.2)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from models.torchvision_guard import guard_torchvision
from training.families.chance import Chance
from training.families.diffusion import evenly
from training.families.family import Family, Learner, Reconstruction, Shape
from training.families.vq_vae import VQVAE

WIDTH, LAYERS, HEADS = 96, 3, 4


@dataclass(frozen=True)
class Choice:
    """How the next word is chosen: drawn, the most probable one (greedy), or the best whole sentence of
    ``beams`` that are followed. Drawing divides logits by ``temperature``, then keeps the ``top_k`` most
    probable words (0: all), then those that make up ``top_p`` (arXiv:1904.09751, eq. 2 and 3)."""

    way: Literal["draw", "greedy", "beam"] = "draw"
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    beams: int = 4

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"temperature: got {self.temperature}; allowed: more than 0.")
        if self.top_k < 0:
            raise ValueError(f"top_k: got {self.top_k}; allowed: 0 (all) or more.")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p: got {self.top_p}; allowed: above 0, to 1.")
        if self.beams < 1:
            raise ValueError(f"beams: got {self.beams}; allowed: 1 or more.")


def shares(logits: Tensor, choice: Choice) -> Tensor:
    """Probabilities (B, words) to draw from, of logits (B, words)."""
    logits = logits / choice.temperature
    if choice.top_k:
        least = logits.topk(min(choice.top_k, logits.shape[1]), 1).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    share, order = logits.softmax(1).sort(1, descending=True)
    share = share.masked_fill(share.cumsum(1) - share >= choice.top_p, 0)  # the first always stays
    return torch.zeros_like(share).scatter(1, order, share / share.sum(1, keepdim=True))


class Transformer(Learner, Reconstruction):
    """p(words | class): the class is the first word, ``words`` + label in the vocabulary."""

    def __init__(self, shape: Shape, coder: VQVAE) -> None:
        super().__init__()
        self.coder = coder.requires_grad_(False)
        self.length = coder.rows**2
        guard_torchvision()
        from transformers import GPT2Config, GPT2LMHeadModel  # seconds, and only for who trains

        config = GPT2Config(
            vocab_size=coder.words + shape.classes, n_positions=self.length, n_embd=WIDTH, n_layer=LAYERS,
            n_head=HEADS, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
            bos_token_id=None, eos_token_id=None,
        )  # fmt: skip
        self.language = GPT2LMHeadModel(config)

    def forward(self, x: Tensor, label: Tensor, seed: Tensor) -> dict[str, Tensor]:
        """-log p a word (arXiv:2012.09841, eq. 9)."""
        with torch.no_grad():
            words = self.coder.read(x)[1].flatten(1)
        return {"loss": -self.log_probability(words, label).mean() / self.length}

    def log_probability(self, words: Tensor, label: Tensor) -> Tensor:
        """(B,) in nats, of whole pictures' words (B, length)."""
        told = torch.cat([self.coder.words + label[:, None], words[:, :-1]], 1)
        logits = self.logits(told)  # (B, length, words)
        return -functional.cross_entropy(logits.mT, words, reduction="none").sum(1)

    def logits(self, told: Tensor) -> Tensor:
        """(B, L, words) of what follows each of told (B, L); a class is never what follows."""
        return self.language(told).logits[..., : self.coder.words].float()

    @torch.no_grad()
    def words(self, label: Tensor, seed: int, choice: Choice) -> Tensor:
        """(B, length) chosen one after another."""
        if choice.way == "beam":
            return torch.cat([self._beam(kind, choice.beams) for kind in label])
        told = self.coder.words + label[:, None]
        chance = Chance.drawing(label, seed).uniform(0, self.length)
        for place in range(self.length):
            logits = self.logits(told)[:, -1]
            if choice.way == "greedy":
                word = logits.argmax(1)
            else:
                share = shares(logits, choice).cumsum(1)
                word = (share < chance[:, place, None] * share[:, -1:]).sum(1)
            told = torch.cat([told, word[:, None]], 1)
        return told[:, 1:]

    def _beam(self, kind: Tensor, beams: int) -> Tensor:
        """(1, length): at each place the ``beams`` most probable beginnings are kept."""
        told, score = (self.coder.words + kind).reshape(1, 1), torch.zeros(1, device=kind.device)
        for _ in range(self.length):
            longer = score[:, None] + self.logits(told)[:, -1].log_softmax(1)  # (beams, words)
            score, best = longer.flatten().topk(min(beams, longer.numel()))
            row, word = best // self.coder.words, best % self.coder.words
            told = torch.cat([told[row], word[:, None]], 1)
        return told[:1, 1:]

    def draw(self, label: Tensor, seed: int) -> Tensor:
        return self.draw_by(label, seed, Choice())

    @torch.no_grad()
    def draw_by(self, label: Tensor, seed: int, choice: Choice) -> Tensor:
        """``draw`` with words chosen in another way; greedy and beam give one picture a class."""
        return self._write(self.words(label, seed, choice))

    def _write(self, words: Tensor) -> Tensor:
        return self.coder.write(words.unflatten(1, (self.coder.rows, self.coder.rows))).clamp(-1, 1)

    @property
    def evaluations(self) -> int:
        return self.length

    @torch.no_grad()
    def strip(self, label: Tensor, seed: int, frames: int) -> Tensor:
        """Word by word; what is not said yet is the commonest word of the class there."""
        words = self.words(label, seed, Choice())
        usual, place = self.coder.counts[label].argmax(2), torch.arange(self.length, device=label.device)
        shown = evenly(self.length + 1, frames)
        return torch.stack([self._write(torch.where(place < told, words, usual)) for told in shown])

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.coder.reconstruct(x)


def transformer(shape: Shape, teacher: Learner | None) -> Learner:
    assert isinstance(teacher, VQVAE)
    return Transformer(shape, teacher)


FAMILY = Family(
    "Transformer over words", "autoregressive", "arXiv:2012.09841, eq. 9",
    "The VQ-VAE writes pictures as words; a language model learns to write such sentences, word after word, "
    "as others write text. DALL-E began like this.",
    transformer, needs="vq-vae", plan={"learning_rate": 2e-3, "precision": "no"},
)  # fmt: skip
