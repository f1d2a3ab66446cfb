"""Where a model's networks and settings come from: a folder in diffusers' layout, or one checkpoint file.

Each answers the same questions; ``assemble`` makes ``Parts`` of the answers. Knows no devices.
"""

from pathlib import Path
from typing import Any, Protocol

import torch

from models.checkpoint import from_checkpoint, read_config
from models.defaults import read_defaults, read_extra, read_json
from models.header import Header
from models.layout import Layout, read_layout
from models.networks import from_folder
from models.recognise import recognise

WEAK = "weak"  # the folder of a weaker U-Net for autoguidance, if a model has one
DESCRIPTIONS = (".safetensors", ".json", ".txt")


class Source(Protocol):
    path: Path
    configs: Path  # a folder in diffusers' layout; its weights are not asked for here
    layout: Layout
    has_weak: bool  # whether there is a weaker U-Net, named ``WEAK``

    def network(self, kind: Any, part: str, dtype: torch.dtype) -> Any:
        """The network ``part`` of class ``kind``, on the CPU. Raises ``ModelError``."""
        ...

    def files(self) -> dict[str, Path]:
        """All that decides the model's answers, by what each is."""
        ...

    def scheduler(self) -> tuple[dict[str, Any], bool]:
        """scheduler_config.json, and whether its prediction type is known rather than assumed."""
        ...

    def defaults(self, prediction: str | None = None) -> tuple[tuple[int, int], dict[str, Any]]:
        """(width, height) in pixels, and the recipe fields good for the model, which predicts ``prediction``
        where that is known better than the source says."""
        ...


class Folder:
    """A folder in diffusers' layout. Raises ``ModelError`` where it is none."""

    def __init__(self, path: Path) -> None:
        self.path = self.configs = path
        self.layout = read_layout(path)
        self.has_weak = (path / WEAK).is_dir()

    def network(self, kind: Any, part: str, dtype: torch.dtype) -> Any:
        return from_folder(kind, self.path / part, dtype)

    def files(self) -> dict[str, Path]:
        parts = (*self.layout.parts, *((WEAK,) if self.has_weak else ()))
        found = (file for part in parts for file in sorted((self.path / part).iterdir()))
        return {file.relative_to(self.path).as_posix(): file for file in found if file.suffix in DESCRIPTIONS}

    def scheduler(self) -> tuple[dict[str, Any], bool]:
        return read_json(self.configs / "scheduler" / "scheduler_config.json"), True

    def defaults(self, prediction: str | None = None) -> tuple[tuple[int, int], dict[str, Any]]:
        return read_defaults(self.configs)


class CheckpointFile:
    """One file of LDM's layout. ``configs`` describes it where its shapes are those of no known family."""

    def __init__(self, header: Header, configs: Path | None = None) -> None:
        self.path = header.file
        self._header = header
        self._told = recognise(header, configs)
        self._described = configs is not None
        self.configs = self._told.configs
        self.layout = read_layout(self.configs)
        self.has_weak = False

    def network(self, kind: Any, part: str, dtype: torch.dtype) -> Any:
        config = read_config(self.configs, part)
        if part == "unet":
            config |= {"in_channels": self._told.channels}
        return from_checkpoint(kind, self._header, part, config, dtype)

    def files(self) -> dict[str, Path]:
        return {self.path.name: self.path}

    def scheduler(self) -> tuple[dict[str, Any], bool]:
        config = read_json(self.configs / "scheduler" / "scheduler_config.json")
        if self._told.prediction is not None:
            config |= {"prediction_type": self._told.prediction}
        if self._told.zero_snr:  # then the first step must be at pure noise (arXiv:2305.08891, sec. 3.3)
            config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
        return config, self._described or self._told.prediction is not None

    def defaults(self, prediction: str | None = None) -> tuple[tuple[int, int], dict[str, Any]]:
        size, fields = read_defaults(self.configs)
        of = read_extra(self.configs).get("native_size_of", {})  # of each prediction, where they differ
        width, height = self._told.size or of.get(prediction or self._told.prediction) or size
        return (width, height), fields | {"width": width, "height": height}
