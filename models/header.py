"""What a safetensors file says of itself before any weight is read. Such files come from anybody.

The library checks that the header is sound and that the tensors fill the file; the limits on its size, which
hold before anything of it is parsed, and the plain sentences are ours. Knows no networks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.error import ModelError

LARGEST_HEADER = 16 * 2**20  # bytes; SDXL's is a third of a MiB, training metadata and thumbnails a few
MOST_TENSORS = 10_000  # SDXL has 2 515
NO_SAFETENSORS = {  # how files begin that got the wrong name
    b"PK\x03\x04": "a pickle of torch.save, which can run any program",
    b"\x80": "a pickle, which can run any program",
    b"version https://git-lfs": "a pointer of Git LFS instead of the file itself",
    b"<": "a web page",
    b"GGUF": "a GGUF file",
}


@dataclass(frozen=True)
class Header:
    file: Path
    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]

    def has(self, beginning: str) -> bool:
        """Whether any tensor's name begins so."""
        return any(name.startswith(beginning) for name in self.shapes)


def read_header(file: Path) -> Header:
    """Raises ``ModelError`` where ``file`` is no safetensors file, is torn, or is over the limits."""
    from safetensors import SafetensorError, safe_open

    try:
        _check_beginning(file)
        with safe_open(file, "pt") as opened:
            names = list(opened.keys())
            if len(names) > MOST_TENSORS:
                raise ModelError(
                    f"File {str(file)!r} has {len(names)} tensors; allowed: at most {MOST_TENSORS}."
                )
            shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in names}
            return Header(file, shapes, opened.metadata() or {})
    except SafetensorError as error:
        said = str(error)[:120]  # it may quote names of any length
        raise ModelError(f"File {str(file)!r} is damaged or not all there: {said}") from None
    except OSError as error:
        raise ModelError(f"File {str(file)!r} cannot be read: {error.strerror or error}.") from None
    except RuntimeError:  # torch's, which maps the file into memory
        raise ModelError(
            f"File {str(file)!r} has {file.stat().st_size} bytes; allowed: what this machine can open."
        ) from None


def _check_beginning(file: Path) -> None:
    """Eight bytes of the header's length and its brace, little-endian (the format's own definition)."""
    with file.open("rb") as stream:
        first = stream.read(32)
    for beginning, what in NO_SAFETENSORS.items():
        # A header may be as long as one of these bytes says, but then the ninth is a brace.
        if first.startswith(beginning) and first[8:9] != b"{":
            raise ModelError(f"File {str(file)!r} is {what}; allowed: safetensors.")
    length, size = int.from_bytes(first[:8], "little"), file.stat().st_size
    if len(first) < 10 or length > size - 8:
        raise ModelError(
            f"File {str(file)!r} is damaged or not all there: its {size} bytes end in its header."
        )
    if length > LARGEST_HEADER:
        raise ModelError(
            f"File {str(file)!r} has a header of {length} bytes; allowed: at most {LARGEST_HEADER}."
        )
