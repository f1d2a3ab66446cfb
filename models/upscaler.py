"""Networks that enlarge pixels (ESRGAN and its kin), by the library spandrel. Knows no tiles and no recipes.

A file is told by its tensors' names and shapes alone. Its architecture is built from them, so numbers in
names are limited before anything is built.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from models.error import ModelError
from models.header import Header, read_header
from models.torchvision_guard import guard_torchvision

if TYPE_CHECKING:
    from models.parts import Parts

MOST_NUMBER = 300  # in a tensor's name: the number of blocks is read from them
SCALES = (1, 2, 3, 4, 8)
ALLOWED = "one that enlarges RGB pictures by a whole number up to 8"


@dataclass(frozen=True, eq=False)
class Upscaler:
    """``scale``: how much wider and higher it makes a picture."""

    scale: int
    network: Any  # spandrel's descriptor
    device: torch.device

    @torch.inference_mode()
    def enlarge(self, pixels: Tensor) -> Tensor:
        """(1, 3, h, w) in [-1, 1] -> (1, 3, scale h, scale w), on the CPU."""
        made = self.network((pixels.to(self.device, torch.float32) + 1) / 2)
        return made.float().cpu().clamp(0, 1) * 2 - 1


def upscales(header: Header) -> bool:
    """Whether the file of ``header`` is one."""
    if not any(len(shape) == 4 for shape in header.shapes.values()) or not _sane(header):
        return False
    spandrel = _spandrel()
    given = {name: torch.empty(shape, device="meta") for name, shape in header.shapes.items()}
    for support in spandrel.MAIN_REGISTRY.architectures("detection"):
        try:
            if support.architecture.detect(given):
                return True
        except (KeyError, ValueError, IndexError, AttributeError, RuntimeError):  # it looked for more
            continue
    return False


def load_upscaler(file: Path, parts: "Parts") -> Upscaler:
    """Raises ``ModelError`` for a file that is none, or that does not enlarge RGB pictures."""
    from safetensors.torch import load_file

    header = read_header(file)
    refused = f"File {file.name!r} is no upscaler; allowed: {ALLOWED}."
    if not _sane(header):
        raise ModelError(refused)
    spandrel = _spandrel()
    try:
        network = spandrel.ModelLoader(parts.device).load_from_state_dict(load_file(file))
    except Exception as error:  # whatever an architecture makes of weights that are not its own
        raise ModelError(refused) from error
    if not isinstance(network, spandrel.ImageModelDescriptor) or network.scale not in SCALES:
        raise ModelError(refused)
    if (network.input_channels, network.output_channels) != (3, 3):
        raise ModelError(refused)
    return Upscaler(network.scale, network.eval(), parts.device)


def _sane(header: Header) -> bool:
    numbers = (int(found[:9]) for name in header.shapes for found in re.findall(r"\d+", name))
    return all(number <= MOST_NUMBER for number in numbers)


def _spandrel() -> Any:
    guard_torchvision()  # it imports torchvision's Python half
    import spandrel

    return spandrel
