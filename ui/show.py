"""What the page says, as HTML. Every text that came from a person, a file or a model is escaped here."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO
from math import inf

from PIL import Image

from engine import Cancelled, Cost, Counted, Done, Event, Failed, Job, Progress, Queued
from gallery import Entry
from pipelines.recipe import Control, Edit, Recipe, Reference, Region, fields, influence_fields, part_fields

IDLE = (
    '<div class="stage idle"><p class="lead">Your picture appears here.</p>'
    "<p>Write what you want to see, then press <kbd>Ctrl</kbd>&nbsp;<kbd>Enter</kbd>.</p></div>"
)
IDLE_EDIT = (
    '<div class="stage idle"><p class="lead">What you make of the picture appears here.</p>'
    "<p>Paint over what is to change; paint nothing, and all of it is drawn over.</p></div>"
)
NOTHING = ""


def stage(job: Job, event: Event) -> str:
    """The place where the picture appears, while a job is waiting, drawing or has failed."""
    match event:
        case Queued(position, eta):
            return _waiting(job, position, eta)
        case Progress(step, of, preview, eta):
            return _drawing(job.recipe, step, of, preview, eta)
        case Failed(what, hint):
            return _box("failed", f'<p class="lead">{escape(what)}</p><p>{escape(hint)}</p>', "alert")
        case Cancelled():
            return _box("idle", '<p class="lead">Interrupted.</p><p>Nothing already finished was lost.</p>')
        case Done():
            return NOTHING
    raise AssertionError(event)


def stopped_early(job: Job, event: Event) -> str:
    """Why only some of a job's pictures are there; nothing where all are."""
    some = f"{len(job.entries)} of {job.recipe.count} pictures were finished and are kept."
    match event:
        case Failed(what, hint):
            return notice(what, hint, some)
        case Cancelled():
            return good_news(f"Interrupted. {some}")
        case _:
            return NOTHING


def notice(*lines: str) -> str:
    """Something the person has to know: an error, or what could not be restored. Empty lines are left out."""
    said = [escape(line) for line in lines if line]
    if not said:
        return NOTHING
    return '<div class="notice" role="alert">' + "".join(f"<p>{line}</p>" for line in said) + "</div>"


def good_news(*lines: str) -> str:
    """What is as it should be, or was done to make it so. Empty lines are left out."""
    said = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
    return f'<div class="notice good" role="status">{said}</div>' if said else NOTHING


def restored(notes: Sequence[str], studio: str) -> str:
    """What of a file's settings is in the form now, and each of those that is not. ``studio`` is another one
    whose file it is, or ""."""
    whose = f"Settings of {studio}" if studio else "Settings"
    if not notes:
        return good_news(f"{whose}: all were restored." if studio else "All settings were restored.")
    return notice(f"{whose}: what means the same here was restored. This was not:" if studio else "", *notes)


def hint(line: str) -> str:
    return f'<p class="hint">{escape(line)}</p>'


def empty(line: str) -> str:
    return f'<p class="empty" role="status">{escape(line)}</p>'


def cost(asked: Cost, sampler: str, near: float = 0.0, fewest: int | None = None, tiled: bool = False) -> str:
    """What the settings cost: how often the model is asked for one picture, or if ``tiled`` for a tile of it.

    ``fewest`` are the steps with which ``sampler`` was measured to be within ``near`` of converged.
    """
    if asked.evaluations is None or asked.passes is None:
        times, most = "As many evaluations as it needs", "at most " if asked.each > 1 else ""
    else:
        times, most = f"{asked.evaluations} evaluation{'s' * (asked.evaluations != 1)}", ""
        times = times if asked.sure else f"About {times}"
    if asked.passes in (None, asked.each * (asked.evaluations or 0)):
        passes = f"each {most}{'one pass' if asked.each == 1 else f'{asked.each} passes'} of the model"
    else:
        passes = f"{asked.passes} passes of the model in all"
    told = f"{times} for a picture, {passes}{' for each tile' if tiled else ''}."
    if fewest is not None:
        told += f" On this model's own schedule {label('sampler', sampler)} is within {near:g} of"
        told += f" converged from {fewest} steps on."
    return hint(told)


def counted(text: Counted) -> str:
    """Below a box: how long its text is, and what seems wrong with it; nothing where there is nothing."""
    size = f"<span>{text.size.tokens} / {text.size.capacity}</span>" if text.size and text.size.tokens else ""
    said = "".join(f'<span class="doubt">{escape(line)}</span>' for line in text.warnings)
    return f'<p class="hint count">{size}{said}</p>' if size or said else NOTHING


def caption(recipe: Recipe, width: int, height: int) -> str:
    """One line below a picture of that size; its first word is the seed that was really used, if there is
    one. A picture that is larger than what was drawn, or enlarged, says both sizes."""
    if recipe.upscale is not None:
        before = [round(side / recipe.upscale.scale) for side in (width, height)]
        by = label("upscaler", recipe.upscale.upscaler)
        parts = ["Upscaled", _sizes(before, [width, height]), escape(by), f"{recipe.upscale.scale:g} times"]
        return '<p class="caption">' + " · ".join(parts) + "</p>"
    parts = [
        f"Seed <b>{recipe.seed}</b>",
        _sizes([recipe.width, recipe.height], [width, height]),
        f"{recipe.steps} steps",
        f"guidance {recipe.guidance:g}",
        escape(label("sampler", recipe.sampler)),
        escape(label("schedule", recipe.schedule)),
        escape(recipe.model),
    ]
    return '<p class="caption">' + " · ".join(parts) + "</p>"


def _sizes(drawn: Sequence[int], made: Sequence[int]) -> str:
    """What was drawn, and what became of it where that is another size."""
    return " → ".join(dict.fromkeys("{} × {}".format(*size) for size in (drawn, made)))


def details(entry: Entry) -> str:
    """Everything that made a picture, as a table."""
    made = f"{entry.created:%d %B %Y, %H:%M}"
    if entry.recipe is None:
        what = "This file is damaged." if entry.damaged else "This file holds no recipe that can be read."
        return notice(f"{what} It was saved on {made}. It can be deleted; no other picture is affected.")
    recipe = entry.recipe
    values = recipe.model_dump()
    rows = [
        (spec.label, label(spec.name, values[spec.name]))
        for spec in fields()
        if recipe.known and spec.name not in ("prompt", "count") and values[spec.name] not in (None, "")
    ]
    for name, levels in (("Sigmas", recipe.levels), ("Sigmas of hires fix", recipe.hires_levels)):
        if levels is not None:
            sigmas = (sigma / alpha if alpha else inf for alpha, sigma in levels)
            rows.append((name, ", ".join(f"{sigma:.4g}" for sigma in sigmas)))
    rows += [(f"ControlNet {k}", _control(one)) for k, one in enumerate(recipe.controls, 1)]
    rows += [(f"Reference {k}", _reference(one)) for k, one in enumerate(recipe.references, 1)]
    rows += [(f"Region {k}", _region(one)) for k, one in enumerate(recipe.regions, 1)]
    for part in ("variation", "hires", "tiles"):
        if (given := getattr(recipe, part)) is not None:
            rows.append((str(Recipe.model_fields[part].title), _part(part, given.model_dump())))
    if recipe.edit is not None:
        rows.append(("Edit", _edit(recipe.edit)))
    if recipe.upscale is not None:
        rows.append(("Upscale", f"by {recipe.upscale.upscaler}, {recipe.upscale.scale:g} times"))
    if recipe.words is not None:
        rows[:0] = [("Prompt as drawn", recipe.words[0]), ("Negative prompt as drawn", recipe.words[1])]
    table = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in [*rows, ("Made", made)])
    words = escape(recipe.prompt) or "<i>(no prompt)</i>"
    return f'<div class="recipe"><p class="words">{words}</p><dl>{table}</dl></div>'


def compare(before: str, after: str, margins: tuple[int, int, int, int], size: tuple[int, int]) -> str:
    """Two pictures under one slider, by their addresses: the one before lies within the one after, whose
    ``size`` is (width, height), at its margins (left, top, right, bottom)."""
    left, top, right, _ = margins
    width, height = size
    place = (
        f"left:{100 * left / width:.3f}%;top:{100 * top / height:.3f}%;"
        f"width:{100 * (width - left - right) / width:.3f}%"
    )
    return (
        f'<figure class="compare"><div class="both"><img src="{escape(after)}" alt="After">'
        f'<div class="cut"><img class="was" src="{escape(before)}" style="{place}" alt="Before"></div>'
        '<input type="range" min="0" max="100" value="50" step="any" '
        'aria-label="How much of the picture before is shown, per cent"></div>'
        "<figcaption><span>Before</span><span>After</span></figcaption></figure>"
    )


def _edit(edit: Edit) -> str:
    """All of an edit but the names of its pictures, which are no words."""
    values = edit.model_dump(exclude={"picture", "mask", "sketch"})
    shown = [(spec, values[spec.name]) for spec in part_fields("edit") if spec.name in values]
    changed = [(spec, value) for spec, value in shown if spec.name == "strength" or value != spec.default]
    where = (
        "everywhere"
        if edit.everywhere
        else "inside a mask"
        if edit.mask
        else "over a sketch"
        if edit.sketch
        else "beyond the borders"
    )
    labels = {spec.name: {choice.name: choice.label for choice in spec.choices} for spec, _ in changed}
    told = (
        spec.label if value is True else f"{spec.label} {labels[spec.name].get(value, f'{value}')}"
        for spec, value in changed
    )
    return ", ".join((where, *told))


def _part(part: str, values: Mapping[str, object]) -> str:
    """All of a part of a recipe that holds no pictures."""
    told = []
    for spec in part_fields(part):
        value = values[spec.name]
        said = next((choice.label for choice in spec.choices if choice.name == value), value)
        told.append(f"{spec.label} {said:g}" if isinstance(said, float) else f"{spec.label} {said}")
    return ", ".join(told)


def influences(some: Sequence[Control] | Sequence[Reference]) -> str:
    """Those of a drawing, one a line; nothing where there are none."""
    said = [_control(one) if isinstance(one, Control) else _reference(one) for one in some]
    lines = "".join(f"<li>{escape(line)}</li>" for line in said)
    return f'<ol class="hint controls">{lines}</ol>' if lines else NOTHING


def _control(control: Control) -> str:
    """All of a ControlNet but the name of its picture, which is no word."""
    looks = f"{label('resize', control.resize)}, {label('balance', control.balance)}"
    return f"{control.net}, {_when(control)}, {looks}"


def _reference(reference: Reference) -> str:
    return f"{reference.adapter}, {_when(reference)}"


def _region(region: Region) -> str:
    """All of a region but the name of its mask, which is no word."""
    said = region.prompt if region.words is None else f"{region.prompt}, drawn as {region.words}"
    return f"{said or '(no prompt)'}, weight {region.weight:g}"


def _when(one: Control | Reference) -> str:
    return f"weight {one.weight:g}, from {one.start:.4g} to {one.end:.4g} of the steps"


def label(field: str, value: object) -> str:
    """A value as a person reads it: the label of a choice, a number without noise."""
    some = (*fields(), *influence_fields("controls"), *part_fields("hires"))
    spec = next(spec for spec in some if spec.name == field)
    for choice in spec.choices:
        if choice.name == value:
            return choice.label
    return f"{value:g}" if isinstance(value, float) else str(value)


def seconds(eta: float | None) -> str:
    """About how long, in words; nothing where it is not known."""
    if eta is None:
        return ""
    if eta < 60:
        return f"about {max(1, round(eta))} s left"
    if eta < 3600:
        return f"about {round(eta / 60)} min left"
    return f"about {eta / 3600:.1f} h left"


def _waiting(job: Job, position: int, eta: float | None) -> str:
    if job.state == "loading":
        said = f"Loading the model “{escape(job.recipe.model)}”…"
    elif position > 0:
        said = f"In line: {position} before yours"
    else:
        said = "Starting…"
    left = seconds(eta)
    return _live(job.recipe, None, said + (f" · {left}" if left else ""), None)


def _drawing(recipe: Recipe, step: int, of: int, preview: Image.Image | None, eta: float | None) -> str:
    left = seconds(eta)
    return _live(recipe, preview, f"Step {step} of {of}" + (f" · {left}" if left else ""), (step, of))


def _live(recipe: Recipe, preview: Image.Image | None, said: str, done: tuple[int, int] | None) -> str:
    """A frame in the picture's shape with the newest preview, and a bar below it."""
    shape = f"aspect-ratio:{recipe.width}/{recipe.height}"
    inside = (
        ""
        if preview is None
        else f'<img src="{_data_uri(preview)}" alt="Preview of the picture in the making">'
    )
    if done is None:
        bar = '<div class="bar" role="progressbar" aria-label="Waiting"><i class="unknown"></i></div>'
    else:
        step, of = done
        bar = (
            '<div class="bar" role="progressbar" aria-label="Drawing" '
            f'aria-valuemin="0" aria-valuemax="{of}" aria-valuenow="{step}">'
            f'<i style="width:{100 * step / of:.1f}%"></i></div>'
        )
    return (
        f'<div class="stage live"><div class="frame" style="{shape}">{inside}</div>'
        f'{bar}<p class="said">{said}</p></div>'
    )


def _box(kind: str, inside: str, role: str = "status") -> str:
    return f'<div class="stage {kind}" role="{role}">{inside}</div>'


def _data_uri(preview: Image.Image) -> str:
    buffer = BytesIO()
    preview.convert("RGB").save(buffer, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + b64encode(buffer.getvalue()).decode()
