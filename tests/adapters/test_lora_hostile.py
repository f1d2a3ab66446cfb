"""Damaged and spiteful LoRA files: each is refused in a sentence or loads, soon, and never anything else."""

import json
import random
import re
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from adapters import load_lora
from models import ModelError, Parts

Damage = Callable[[bytes, random.Random], bytes]
SEEDS = range(24)  # of each kind of damage
SOON = 2.0  # seconds
LINEAR, CONV = "lora_unet_time_embedding_linear_1", "lora_unet_mid_block_resnets_0_conv1"
TEXT = "lora_te_text_model_encoder_layers_0_mlp_fc1"


def sound() -> dict[str, Tensor]:
    """Every format once, on modules of the tiny model."""
    generator = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    return {
        f"{LINEAR}.lora_down.weight": some(2, 16), f"{LINEAR}.lora_up.weight": some(64, 2),
        f"{LINEAR}.alpha": torch.tensor(1.0), f"{LINEAR}.dora_scale": some(64, 1),
        f"{CONV}.lora_down.weight": some(2, 32), f"{CONV}.lora_mid.weight": some(2, 2, 3, 3),
        f"{CONV}.lora_up.weight": some(32, 2), f"{CONV}.alpha": torch.tensor(2.0),
        "lora_unet_time_embedding_linear_2.hada_w1_a": some(64, 2),
        "lora_unet_time_embedding_linear_2.hada_w1_b": some(2, 64),
        "lora_unet_time_embedding_linear_2.hada_w2_a": some(64, 2),
        "lora_unet_time_embedding_linear_2.hada_w2_b": some(2, 64),
        f"{TEXT}.lokr_w1": some(4, 4), f"{TEXT}.lokr_w2_a": some(16, 2),
        f"{TEXT}.lokr_w2_b": some(2, 8),
    }  # fmt: skip


def cut(content: bytes, dice: random.Random) -> bytes:
    return content[: dice.randrange(len(content))]


def header_bits(content: bytes, dice: random.Random) -> bytes:
    end = 8 + struct.unpack("<Q", content[:8])[0]
    return flipped(content, dice, 0, end)


def weight_bytes(content: bytes, dice: random.Random) -> bytes:
    end = 8 + struct.unpack("<Q", content[:8])[0]
    return flipped(content, dice, end, len(content))


def flipped(content: bytes, dice: random.Random, begin: int, end: int) -> bytes:
    made = bytearray(content)
    for _ in range(dice.choice((1, 2, 30))):
        made[dice.randrange(begin, end)] ^= 1 << dice.randrange(8)
    return bytes(made)


def shapes(content: bytes, dice: random.Random) -> bytes:
    """Another shape of as many numbers, of none, or of a great many."""
    tensors = sound()
    name = dice.choice(list(tensors))
    numbers = tensors[name].numel()
    shape = dice.choice([(numbers,), (numbers, 1), (1, numbers), (1, 1, 1, numbers), (numbers, 1, 1), (0, 3),
                         (3, 0), (0,), (), (1, 20_000), (20_000, 1), (2, 2, 2, 2)])  # fmt: skip
    return save(tensors | {name: torch.ones(shape)})


def names(content: bytes, dice: random.Random) -> bytes:
    """One tensor under another's name, under one that is no module's, or under none."""
    tensors = sound()
    one, other = dice.sample(list(tensors), 2)
    suffix = other.partition(".")[2]
    new = dice.choice([other, f"{one.partition('.')[0]}.{suffix}", f"{LINEAR}.{suffix}", "", ".",
                       "x" * 5000, "lora_unet_\u202e", f"{CONV}.diff",
                       "lora_unet_input_blocks_99_9.alpha"])  # fmt: skip
    moved = tensors.pop(one)
    return save({**tensors, new: moved})


def dtypes(content: bytes, dice: random.Random) -> bytes:
    """What the header says of a tensor's type, in types of any size."""
    end = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:end])
    name = dice.choice([name for name in header if name != "__metadata__"])
    types = ["I32", "U32", "F8_E4M3", "BOOL", "F64", "C64", "F4", "BF16", "X", 7, None]
    header[name]["dtype"] = dice.choice(types)
    made = json.dumps(header).encode()
    return struct.pack("<Q", len(made)) + made + content[end:]


@pytest.mark.parametrize("damage", [cut, header_bits, weight_bytes, shapes, names, dtypes])
def test_it_is_an_error_or_a_load_and_soon(damage: Damage, tiny: Parts, tmp_path: Path) -> None:
    content, refused = save(sound()), 0
    for seed in SEEDS:
        file = tmp_path / f"{damage.__name__}-{seed}.safetensors"
        file.write_bytes(damage(content, random.Random(seed)))
        started = time.process_time()
        try:
            lora = load_lora(file, tiny)
        except ModelError as error:
            refused += 1
            assert len(str(error)) < 1000 and not re.search(r"Traceback|\bat 0x", str(error)), str(error)
        else:
            for patch in (patch for its in lora.patches.values() for patch in its.values()):
                assert patch.up.isfinite().all() and (patch.down is None or patch.down.isfinite().all())
        assert time.process_time() - started < SOON, seed
    print(f"{damage.__name__}: {refused} of {len(SEEDS)} refused")
    assert refused >= 1


def test_undamaged_it_loads(tiny: Parts, tmp_path: Path) -> None:
    (tmp_path / "whole.safetensors").write_bytes(save(sound()))
    lora = load_lora(tmp_path / "whole.safetensors", tiny)
    assert (lora.applied, lora.of) == (15, 15) and len(lora.patches["unet"]) == 3
