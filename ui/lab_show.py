"""What the Lab says, as HTML: progress, curves, explanations. Every text is escaped here."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

from engine import Background, Cancelled, Done, Failed, Progress
from training.families import FAMILIES, Family
from training.sessions import Session
from training.trials import At
from ui import show

IDLE = (
    '<div class="stage idle"><p class="lead">What your models learn appears here.</p>'
    "<p>Choose pictures and families, then press Train.</p></div>"
)
POINTS = 80  # of a curve
WIDE, HIGH = 160, 44


def explained(families: Sequence[Family]) -> str:
    """What each is, in plain words, folded away."""
    lines = "".join(
        f"<dt>{escape(one.title)}</dt><dd>{escape(one.explains)} <small>{escape(one.source)}</small></dd>"
        for one in families
    )
    return f'<details class="families"><summary>What are they?</summary><dl>{lines}</dl></details>'


def named(session: Session, began: str) -> str:
    count = len(session.families)
    what = FAMILIES[session.families[0]].title if count == 1 else f"{count} families"
    return f"{began}: {what} on {session.data}, {session.minutes:g} min each"


def stage(session: Session, works: Mapping[str, Background]) -> str:
    """A card for each family, and one bar for all."""
    cards = "".join(_card(session, family, works.get(family)) for family in session.families)
    return f'{_bar(session, works)}<div class="trials">{cards}</div>'


def _bar(session: Session, works: Mapping[str, Background]) -> str:
    """How much of all is done: each family is as much as its minutes."""
    busy = [work for work in works.values() if not work.ended]
    if not busy:
        return ""
    training = [work for work in busy if work.title in session.families]
    done = len(session.families) - sum(1 - _share(work) for work in training)
    percent = 100 * max(0.0, done) / len(session.families)
    left = 60 * session.minutes * sum(1 - _share(work) for work in training)
    now = next((work for work in busy if isinstance(work.event, Progress)), None)
    said = "Starting…" if now is None else _doing(now)
    eta = f" · {show.seconds(left)} of training" if training and left >= 1 else ""
    return (
        f'<div class="lab-bar"><div class="bar" role="progressbar" aria-label="Training" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent:.0f}"><i style="width:{percent:.1f}%"></i></div>'
        f'<p class="said">{escape(said)}{escape(eta)}</p></div>'
    )


def _share(work: Background) -> float:
    """How much of a family's training is done, 0 to 1."""
    at = work.latest
    if not isinstance(at, At):
        return 0.0
    return 1.0 if at.doing != "training" else at.step / max(at.of, at.step, 1)


def _doing(work: Background) -> str:
    at = work.latest
    name = FAMILIES[work.title].title if work.title in FAMILIES else "Comparison"
    return f"{name}: {at.doing}, step {at.step} of {at.of}" if isinstance(at, At) else name


def _card(session: Session, family: str, work: Background | None) -> str:
    kind, said = _status(session, family, work)
    sample = session.sample(family)
    picture = "" if sample is None else f'<img src="{_uri(sample.read_bytes())}" alt="Drawn while learning">'
    title = escape(FAMILIES[family].title)
    return (
        f'<div class="trial {kind}"><div class="sample">{picture}</div><div class="about"><b>{title}</b>'
        f"<span>{escape(said)}</span>{curve(session.losses(family))}</div></div>"
    )


def _status(session: Session, family: str, work: Background | None) -> tuple[str, str]:
    """(class, words)."""
    if family in session.finished:
        return "done", "Trained and measured"
    if work is None:
        return "idle", "Not finished"
    match work.event:
        case Failed(what, hint):
            return "failed", f"{what} {hint}"
        case Cancelled():
            return "idle", "Stopped"
        case Done():
            return "done", "Trained and measured"
        case Progress(step, of) if isinstance(work.latest, At):
            loss = work.latest.losses.get("loss")
            tail = "" if loss is None else f", loss {loss:.3g}"
            return "busy", f"{work.latest.doing.capitalize()}: {step} of {of}{tail}"
    return "waiting", "In line"


def curve(points: Sequence[tuple[float, float]]) -> str:
    """The loss as a small line, from the first step to the newest; nothing before there are two points."""
    every = max(1, len(points) // POINTS)
    some = points[::every]
    if len(some) < 2:
        return ""
    values = [loss for _, loss in some]
    low, high = min(values), max(values)
    span, first = (high - low) or 1.0, some[0][0]
    steps = (some[-1][0] - first) or 1.0
    line = " ".join(
        f"{WIDE * (step - first) / steps:.1f},{2 + (HIGH - 4) * (high - loss) / span:.1f}"
        for step, loss in some
    )
    return (
        f'<svg class="curve" viewBox="0 0 {WIDE} {HIGH}" preserveAspectRatio="none" role="img" '
        f'aria-label="Loss from {values[0]:.3g} to {values[-1]:.3g}"><polyline points="{line}"/></svg>'
    )


def _uri(data: bytes) -> str:
    return "data:image/png;base64," + b64encode(data).decode()
