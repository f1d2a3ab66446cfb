"""Models of the Hugging Face hub: what a repository offers and how large that is, and fetching it.

Only safetensors and the JSON and text files beside them. Nothing is fetched that was not offered, what is
fetched is held against the hub's checksum, and what was fetched in part goes on from there. Knows no threads.
"""

import hashlib
import os
import re
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from models.layout import FIRST, SECOND

REPO = re.compile(r"(?:https?://huggingface\.co/)?([\w-][\w.-]*/[\w-][\w.-]*?)/?")
FILE = re.compile(r"[\w-][\w .()+-]*(/[\w-][\w .()+-]*)?")  # of which nothing leads out of a folder
FOLDERS = (*FIRST[:2], *SECOND[:2], "unet", "vae", "scheduler")
HALF = ".fp16."
CHUNK = 1 << 20  # bytes
PATIENCE = 30.0  # seconds without a byte
TRIES = 5  # in a row that brought nothing


class HubError(ValueError):
    """A model cannot be had from the hub. The message says what was asked and what is wrong."""


@dataclass(frozen=True)
class RemoteFile:
    name: str  # its path in the repository
    size: int  # bytes
    sha256: str | None  # None where the hub keeps only git's own hash, which is that of small files
    git: str


@dataclass(frozen=True)
class Offer:
    """Files that are one model together. The last of them is what it is recognised by."""

    what: str
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Repository:
    name: str  # "owner/name"
    commit: str
    offers: tuple[Offer, ...]


def ask(name: str) -> Repository:
    """What the repository "owner/name" (or its address) offers now. Raises ``HubError``."""
    from huggingface_hub import HfApi

    found = REPO.fullmatch(name.strip())
    if found is None:
        raise HubError(f"Repository: got {name[:100]!r}; allowed: owner/name, as on huggingface.co.")
    try:
        info = HfApi().model_info(found[1], files_metadata=True, timeout=PATIENCE)
    except Exception as error:  # the client raises kinds of three libraries
        raise HubError(_said(found[1], error)) from error
    files = [
        RemoteFile(
            s.rfilename,
            s.lfs.size if s.lfs else s.size or 0,
            s.lfs.sha256 if s.lfs else None,
            s.blob_id or "",
        )
        for s in info.siblings or ()
        if FILE.fullmatch(s.rfilename)
    ]
    offers = (*_folders(files), *_single(files))
    if not offers:
        pickles = any(s.rfilename.endswith((".ckpt", ".pt", ".bin")) for s in info.siblings or ())
        got = "only pickles, which can run any program" if pickles else "no model files"
        raise HubError(f"Repository {found[1]!r} has {got}; allowed: safetensors.")
    return Repository(found[1], info.sha or "main", offers)


def fetch(repository: Repository, offer: Offer, folder: Path) -> Generator[int, None, None]:
    """Put the files of ``offer`` below ``folder``; yields the bytes that are there, until all are.

    A file has its name only when it is whole and its checksum was right. Closing the iterator stops, and
    beginning again goes on from there. Raises ``HubError``, and ``OSError`` where the disk says no.
    """
    before = 0
    for file in offer.files:
        target = folder / file.name
        if not target.exists():
            for there in _fetched(repository, file, target):
                yield before + there
        before += file.size
        yield before


def _fetched(repository: Repository, file: RemoteFile, target: Path) -> Iterator[int]:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    part.touch()
    lost = 0
    while (there := part.stat().st_size) < file.size:
        try:
            yield from _more(repository, file, part, there)
        except ConnectionError:  # what came of it counts
            time.sleep(min(lost, 5))
        lost = 0 if part.stat().st_size > there else lost + 1
        if lost == TRIES:
            raise HubError(f"{file.name!r}: the connection was lost; what is there is kept, so try again.")
    if not _is_right(part, file):
        part.unlink()
        raise HubError(f"{file.name!r} is not what the hub's checksum says, and was thrown away; try again.")
    part.replace(target)


def _more(repository: Repository, file: RemoteFile, part: Path, there: int) -> Iterator[int]:
    """Append what one answer brings, which may end early; yields the bytes that are there.

    Raises ``ConnectionError`` where it ends early, ``HubError`` where the hub says no.
    """
    import httpx2  # huggingface_hub's client
    from huggingface_hub import hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    url = hf_hub_url(repository.name, file.name, revision=repository.commit)
    headers = build_hf_headers() | {"Range": f"bytes={there}-", "Accept-Encoding": "identity"}
    try:
        with get_session().stream("GET", url, headers=headers, timeout=PATIENCE) as answer:
            hf_raise_for_status(answer)
            if answer.status_code != 206:  # it sends the whole file
                there = 0
            with part.open("r+b") as stream:
                stream.truncate(there)
                stream.seek(there)
                for chunk in answer.iter_raw(CHUNK):
                    there += len(chunk)
                    if there > file.size:
                        stream.truncate(0)
                        raise HubError(f"{file.name!r} is larger than the hub said, and was not kept.")
                    stream.write(chunk)
                    yield there
                stream.flush()
                os.fsync(stream.fileno())
    except (HfHubHTTPError, OfflineModeIsEnabled) as error:
        raise HubError(_said(repository.name, error)) from error
    except httpx2.TransportError as error:
        raise ConnectionError(str(error)) from error


def _is_right(part: Path, file: RemoteFile) -> bool:
    with part.open("rb") as stream:
        if file.sha256 is not None:
            return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256
        content = stream.read()
    blob = b"blob %d\0" % len(content) + content  # what git hashes
    return hashlib.sha1(blob, usedforsecurity=False).hexdigest() == file.git


def _folders(files: list[RemoteFile]) -> Iterator[Offer]:
    """The model in diffusers' layout, whole and in half precision, where the repository has it so."""
    index = next((file for file in files if file.name == "model_index.json"), None)
    inside = [file for file in files if PurePosixPath(file.name).parent.name in FOLDERS]
    weights = [file for file in inside if file.name.endswith(".safetensors") and _is_usual(file.name)]
    texts = [file for file in inside if file.name.endswith((".json", ".txt"))]
    halves = [file for file in weights if HALF in file.name]
    wholes = [file for file in weights if HALF not in file.name]
    for what, some in (("The whole model", wholes), ("The whole model, in half precision", halves)):
        if index and "unet" in {PurePosixPath(file.name).parent.name for file in some}:
            others = [file for file in texts if _belongs(file.name, half=some is halves)]
            yield Offer(what, (*some, *others, index))


def _is_usual(name: str) -> bool:
    """Not weights before their average was taken, nor of another format."""
    stem = PurePosixPath(name).name.partition(".")[0]
    return (
        re.fullmatch(r"(diffusion_pytorch_model|model)(-\d+-of-\d+)?", stem) is not None
        and "non_ema" not in name
    )


def _belongs(name: str, half: bool) -> bool:
    """Of the lists of the files that weights are split into, those of the kind that is fetched."""
    return "index" not in PurePosixPath(name).name or ("fp16" in name) == half


def _single(files: list[RemoteFile]) -> Iterator[Offer]:
    """Each safetensors file that stands alone, with the config that a network in diffusers' names needs."""
    config = next((file for file in files if file.name == "config.json"), None)
    for file in files:
        if file.name.endswith(".safetensors") and "/" not in file.name:
            unnamed = file.name.startswith("diffusion_pytorch_model")
            yield Offer(file.name, (config, file) if unnamed and config else (file,))


def _said(name: str, error: Exception) -> str:
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    match error:
        case OfflineModeIsEnabled():
            why = "HF_HUB_OFFLINE is set, so nothing is fetched"
        case GatedRepoError():
            why = "it asks for consent on its page first, and for an access token in HF_TOKEN"
        case RepositoryNotFoundError():
            why = "there is none by this name, or it is private"
        case HfHubHTTPError() if error.response is not None:
            why = f"the hub answered with status {error.response.status_code}"
        case _:
            why = f"the hub cannot be reached ({type(error).__name__})"
    return f"Repository {name!r}: {why}."
