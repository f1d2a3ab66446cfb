"""The adapters of one folder, by name. Knows no prompts."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from adapters.controlnet import ControlNet, load_controlnet
from adapters.image_encoder import ImageEncoder, load_image_encoder, sees
from adapters.ip_adapter import IpAdapter, load_ip_adapter
from adapters.lora import Lora, load_lora
from adapters.textual_inversion import Embedding, load_embedding
from models import ModelError, Parts
from models.header import read_header
from models.ip_adapter import Sight
from models.upscaler import Upscaler, load_upscaler

MOST_FILES = 10_000  # that are listed
OF_FOLDER = "diffusion_pytorch_model"  # how diffusers calls the weights in a folder that has the name
OF_TRANSFORMERS = "model."  # how transformers calls them, where a config.json is beside them

Adapter = TypeVar("Adapter")


class AdapterFolder(Mapping[str, Path], Generic[Adapter]):
    """Every ``.safetensors`` file below ``folder`` by its path there without the ending.

    Also by its bare name, as prompts of other studios have it, where only one file is called so. The weights
    of a folder in diffusers' layout have the name of that folder. Links that lead out of the folder are not
    followed. ``what`` says what the files are, ``read`` reads one for a model, ``more`` gives others by name,
    which may be the same files under shorter names.
    """

    def __init__(
        self,
        folder: Path,
        what: str,
        read: Callable[[Path, Parts], Adapter],
        more: Callable[[], Mapping[str, Path]] = dict,
    ) -> None:
        self._folder = folder
        self._what = what
        self._read = read
        self._more = more

    def __getitem__(self, name: str) -> Path:
        """Raises ``KeyError`` where there is no such file."""
        files = self._files()
        if name in files:
            return files[name]
        bare = {file.resolve(): file for there, file in files.items() if there.rpartition("/")[2] == name}
        if len(bare) != 1:
            raise KeyError(name)
        return bare.popitem()[1]  # as it is called there: a link's target may have another name

    def __iter__(self) -> Iterator[str]:
        """Each file once."""
        seen: set[Path] = set()
        for name, file in self._files().items():
            if (real := file.resolve()) not in seen:
                seen.add(real)
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def load(self, name: str, parts: Parts) -> Adapter:
        """That adapter for the model ``parts``. Raises ``ModelError``."""
        return self._read(self.file(name), parts)

    def file(self, name: str) -> Path:
        """That adapter's. Raises ``ModelError``."""
        if name not in self:
            there = ", ".join(sorted(self)[:20]) or "none, as its folder is empty"
            raise ModelError(f"got the {self._what} {name[:60]!r}; allowed: {there}.")
        return self[name]

    def _files(self) -> dict[str, Path]:
        root = self._folder.resolve()
        found: dict[str, Path] = {}
        for file in sorted(root.rglob("*.safetensors"))[:MOST_FILES]:
            if file.is_file() and file.resolve().is_relative_to(root):
                found[_named(file).relative_to(root).as_posix()] = file
        return found | {name: file for name, file in self._more().items() if name not in found}


def _named(file: Path) -> Path:
    of_folder = file.stem.startswith(OF_FOLDER) or (
        file.name.startswith(OF_TRANSFORMERS) and (file.parent / "config.json").is_file()
    )
    return file.parent if of_folder else file.with_suffix("")


class LoraFolder(AdapterFolder[Lora]):
    """LoRAs, named in prompts: ``<lora:name:0.8>``."""

    def __init__(self, folder: Path, more: Callable[[], Mapping[str, Path]] = dict) -> None:
        super().__init__(folder, "LoRA", load_lora, more)

    def fitting(self, name: str, parts: Parts) -> Lora:
        """What of that LoRA fits the model ``parts``. Raises ``ModelError``, also where nothing does."""
        return load_lora(self.file(name), parts, partial=True)


class ControlNetFolder(AdapterFolder[ControlNet]):
    """ControlNets, named in recipes."""

    def __init__(self, folder: Path, more: Callable[[], Mapping[str, Path]] = dict) -> None:
        super().__init__(folder, "ControlNet", load_controlnet, more)


class UpscalerFolder(AdapterFolder[Upscaler]):
    """Upscalers, named in recipes."""

    def __init__(self, folder: Path, more: Callable[[], Mapping[str, Path]] = dict) -> None:
        super().__init__(folder, "upscaler", load_upscaler, more)


class EmbeddingFolder(AdapterFolder[Embedding]):
    """Embeddings, whose names are words of prompts."""

    def __init__(self, folder: Path, more: Callable[[], Mapping[str, Path]] = dict) -> None:
        super().__init__(folder, "embedding", load_embedding, more)


class ImageEncoderFolder(AdapterFolder[ImageEncoder]):
    """CLIP's image encoders. Nobody names them: each IP-Adapter wants one of a certain width."""

    def __init__(self, folder: Path, more: Callable[[], Mapping[str, Path]] = dict) -> None:
        super().__init__(folder, "image encoder", load_image_encoder, more)
        # Two gigabytes and more, shared by the IP-Adapters that are loaded, and gone with the last of them.
        self._loaded: WeakValueDictionary[tuple[str, Any, Any], ImageEncoder] = WeakValueDictionary()

    def find(self, sight: Sight, parts: Parts) -> ImageEncoder | None:
        """The first, by name, that gives ``sight``; None where none does. Raises ``ModelError``."""
        for name in sorted(self):
            if sight in (_sights(self[name]) or ()):
                key = (name, parts.device, parts.dtype)
                if (loaded := self._loaded.get(key)) is None:
                    loaded = self._loaded[key] = self.load(name, parts)
                return loaded
        return None


def _sights(file: Path) -> tuple[Sight, Sight] | None:
    """What it offers, by its header; None where that cannot be read."""
    if file.is_dir():
        files = sorted(file.glob(f"{OF_TRANSFORMERS}*safetensors"))
        return _sights(files[0]) if files else None
    try:
        return sees(read_header(file))
    except ModelError:
        return None


class IpAdapterFolder(AdapterFolder[IpAdapter]):
    """IP-Adapters, named in recipes; they see by the image encoders of ``encoders``."""

    def __init__(
        self,
        folder: Path,
        encoders: ImageEncoderFolder,
        more: Callable[[], Mapping[str, Path]] = dict,
    ) -> None:
        super().__init__(folder, "IP-Adapter", partial(load_ip_adapter, encoder=encoders.find), more)
