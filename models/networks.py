"""Networks with every weight from a file and nothing invented. Knows which classes; not how they are used."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.error import ModelError
from models.header import read_header

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")


def folder_of(file: Path) -> Path | None:
    """The folder in diffusers' or transformers' layout that ``file`` is or lies in; None for a file alone."""
    folder = file if file.is_dir() else file.parent
    return folder if (folder / "config.json").is_file() else None


def from_folder(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    """A network of class ``kind`` in diffusers' or transformers' layout. Raises ``ModelError``."""
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickles = any(file.suffix in PICKLES for file in folder.iterdir())
        got = "only pickles, which can run any program" if pickles else "no weights"
        raise ModelError(f"Folder {str(folder)!r} has {got}; allowed: safetensors.")
    for file in weights:
        read_header(file)
    variant = None if any(".fp16." not in file.name for file in weights) else "fp16"
    network, info = kind.from_pretrained(
        folder,
        variant=variant,
        dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
    )
    if info["missing_keys"]:
        raise ModelError(f"Folder {str(folder)!r} lacks {_some(info['missing_keys'])}.")
    return _ready(network, f"Folder {str(folder)!r}")


def empty(kind: Any, config: dict[str, Any]) -> Any:
    """A network of class ``kind`` (diffusers' or transformers') whose weights take no memory yet."""
    from accelerate import init_empty_weights
    from diffusers.models.modeling_utils import ModelMixin

    with init_empty_weights():
        if issubclass(kind, ModelMixin):
            return kind.from_config(config)  # type: ignore[attr-defined]  # a mixin beside it has it
        return kind(kind.config_class.from_dict(config))


def fill(network: Any, weights: Mapping[str, Tensor], dtype: torch.dtype, what: str) -> Any:
    """Give an empty network its weights, which must be all and only its own. Raises ``ModelError``.

    They are copied: a file that is written over while the studio runs must not change or end it.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    if missing := expected.keys() - weights.keys():
        raise ModelError(f"{what} lacks {_some(missing)}.")
    if strange := weights.keys() - expected.keys():
        raise ModelError(f"{what} has no place for {_some(strange)}.")
    for name, shape in expected.items():
        if tuple(weights[name].shape) != shape:
            got = tuple(weights[name].shape)
            raise ModelError(f"{what} has weights {name!r} of shape {got}; allowed: {shape}.")
    copies = {name: weights[name].to(dtype, copy=True).contiguous() for name in expected}
    network.load_state_dict(copies, strict=True, assign=True)
    return _ready(network, what)


def _ready(network: Any, what: str) -> Any:
    """In eval mode, every weight a number."""
    for name, weight in network.state_dict().items():
        if weight.numel() and not torch.stack(torch.aminmax(weight)).isfinite().all():
            raise ModelError(f"{what} has weights {name!r} that are not numbers in {weight.dtype}.")
    return network.eval().requires_grad_(False)


def _some(names: Iterable[str]) -> str:
    """How many weights, and the first few of them; a file may name them with a megabyte."""
    ordered = sorted(names)
    return f"{len(ordered)} weights ({', '.join(name[:80] for name in ordered[:3])} ...)"
