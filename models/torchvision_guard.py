"""Keeps a broken torchvision from taking the studio down. Knows nothing about checkpoints.

The ordinary torchvision wheel beside a CPU build of torch cannot load its compiled operators, and then even
``import torchvision`` raises ("operator torchvision::nms does not exist"); transformers' image processors and
controlnet-aux fail with it, although the Python half of torchvision is all they use. Call
``guard_torchvision`` before anything imports transformers or diffusers (docs/decisions/0003-torchvision.md).
"""

import sys
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_OPERATORS = (
    "torchvision::nms",
    "torchvision::qnms",
)  # the two that torchvision's import registers fakes for


class Torchvision(StrEnum):
    """What the rest of the program can count on."""

    ABSENT = "absent"  # not installed: transformers uses its PIL image processors
    NATIVE = "native"  # all of it works
    PYTHON_ONLY = "python only"  # imports and transforms work; nms, roi and deform operators raise
    BLOCKED = "blocked"  # unusable, hidden from importers, who then see it as absent


@cache
def guard_torchvision() -> Torchvision:
    """Make ``import torchvision`` work or fail cleanly, once a process, and say which.

    The compiled library is tried first and alone, because a failed ``import torchvision`` would leave half of
    the package in ``sys.modules``. The missing operators are declared, without an implementation, only when
    it cannot be loaded, because declaring them twice is an error of its own.
    """
    spec = find_spec("torchvision") if sys.modules.get("torchvision", ...) is not None else None
    if spec is None or spec.origin is None:
        return Torchvision.ABSENT
    if "torchvision" in sys.modules:
        return Torchvision.NATIVE
    native = _loads_operators(Path(spec.origin).parent)
    try:
        if not native:
            _declare_operators()
        import torchvision  # noqa: F401
    except Exception:  # any reason at all: a broken optional package must not stop the studio
        _hide()
        return Torchvision.BLOCKED
    return Torchvision.NATIVE if native else Torchvision.PYTHON_ONLY


def _loads_operators(folder: Path) -> bool:
    import torch

    for library in (*folder.glob("_C*.so"), *folder.glob("_C*.pyd")):
        try:
            torch.ops.load_library(library)
        except (
            OSError,
            ImportError,
            RuntimeError,
        ):  # built for another torch, or for CUDA libraries not here
            return False
        return True
    return False


def _declare_operators() -> None:
    import torch

    for name in _OPERATORS:
        torch.library.define(name, _SCHEMA)


def _hide() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    sys.modules["torchvision"] = None  # type: ignore[assignment]  # Python's own way to say: not importable
