"""What the Models tab says, as HTML. All that came from a file or the hub is escaped."""

from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from io import BytesIO
from pathlib import Path

from PIL import Image

from engine import Download, Model
from engine.tree import Found
from gallery import PictureError, open_picture
from gallery.pictures import open_bytes

SIDE = 320  # pixels of a thumbnail's longer side
KINDS = {
    "checkpoint": "Checkpoint",
    "lora": "LoRA",
    "vae": "VAE",
    "embedding": "Embedding",
    "controlnet": "ControlNet",
    "ip-adapter": "IP-Adapter",
    "image-encoder": "Image encoder",
    "upscaler": "Upscaler",
    "": "Cannot be used",
}


def key(model: Model) -> str:
    """What the page calls it by."""
    return f"{model.kind or ''}/{model.name}"


def cards(models: Sequence[Model], picked: str = "") -> str:
    """The list: a button each."""
    return '<div class="cards">' + "".join(_card(model, key(model) == picked) for model in models) + "</div>"


def _card(model: Model, picked: bool) -> str:
    about = model.about
    said = " · ".join(filter(None, (KINDS[model.kind or ""], about and about.family, size(model.found.size))))
    picture = thumbnail(model.found, 96)
    image = f'<img src="{picture}" alt="">' if picture else f"<i>{escape(model.name[:1].upper())}</i>"
    looks = "card" if model.kind else "card unusable"
    return (
        f'<button type="button" class="{looks}" data-key="{escape(key(model))}" '
        f'aria-pressed="{"true" if picked else "false"}">'
        f'<span class="face">{image}</span><span class="words"><b>{escape(model.name)}</b>'
        f"<span>{escape(said)}</span></span></button>"
    )


def details(model: Model, sha256: str, notes: Sequence[str] = ()) -> str:
    """All that a model's file says of itself. ``sha256`` is its hash, or why there is none; ``notes`` is what
    loading it showed."""
    about, found = model.about, model.found
    picture = thumbnail(found, SIDE)
    rows = [("Kind", KINDS[model.kind or ""])]
    if about:
        rows += [("Title", about.title), ("Family", about.family or "not said by the file")]
        rows += [
            ("Paints", "inside a mask" if about.inpainting else ""),
            ("Trigger words", ", ".join(about.triggers)),
        ]
    if model.kind == "lora":
        rows.append(("In a prompt", f"<lora:{model.name}:1>"))
    rows += [
        ("Noted", " ".join(notes)),
        ("Size", size(found.size)),
        ("SHA-256", sha256),
        ("File", found.path.name),
    ]
    table = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows if v)
    fault = f'<div class="notice" role="alert"><p>{escape(found.fault)}</p></div>' if found.fault else ""
    image = f'<img class="preview" src="{picture}" alt="">' if picture else ""
    return f'<div class="recipe">{image}<h2>{escape(model.name)}</h2>{fault}<dl>{table}</dl></div>'


def folders(paths: Sequence[Path]) -> str:
    items = "".join(f"<li>{escape(str(path))}</li>" for path in paths)
    return f'<ul class="folders">{items}</ul>' if items else '<p class="hint">None yet.</p>'


def downloads(some: Sequence[Download]) -> str:
    """How far each is, the newest first."""
    return "".join(_download(one) for one in reversed(some))


def _download(one: Download) -> str:
    share = 100 * one.there / one.offer.size if one.offer.size else 100.0
    name = escape(f"{one.repository.name}: {one.offer.what}")
    far = f"{size(one.there)} of {size(one.offer.size)}"
    said = {
        "waiting": "Waiting for the one before",
        "running": "Stopping…" if one.stopping else f"{far}, {share:.0f} %",
        "done": f"Here, as “{one.target.stem}”",
        "stopped": f"Stopped at {far}; downloading it again goes on from there",
        "failed": one.said,
    }[one.state]
    bar = (
        f'<div class="bar" role="progressbar" aria-label="Downloading" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share:.0f}"><i style="width:{share:.1f}%"></i></div>'
    )
    moving = bar if one.state in ("running", "waiting") else ""
    return f'<div class="download {one.state}"><b>{name}</b>{moving}<p>{escape(said)}</p></div>'


def size(count: int) -> str:
    """Bytes, as a person reads them."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g}\u00a0{unit}"
    return f"{count} bytes"


def thumbnail(found: Found, side: int) -> str:
    """A small JPEG of the picture beside a model, else of the one within its file, as the page can hold it;
    empty where there is none that can be opened."""
    file = found.thumbnail()
    try:
        if file is not None:
            return _beside(file, file.stat().st_mtime_ns, side)
        return _within(found, side)
    except (OSError, PictureError):
        return ""


@lru_cache(maxsize=1000)
def _beside(file: Path, changed: int, side: int) -> str:
    return _encoded(open_picture(file), side)


@lru_cache(maxsize=1000)
def _within(found: Found, side: int) -> str:
    data = found.embedded()
    return _encoded(open_bytes(data), side) if data else ""


def _encoded(picture: Image.Image, side: int) -> str:
    image = picture.convert("RGB")
    image.thumbnail((side, side))
    buffer = BytesIO()
    image.save(buffer, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + b64encode(buffer.getvalue()).decode()
