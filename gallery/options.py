"""The options of ``app.py draw``: every field of the recipe by its own declaration, and the files that lend
it pictures. Knows no page and no engine."""

import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image

from gallery.enlarged import enlarged
from gallery.inputs import sha256_of, upright, weighed_picture
from gallery.metadata import MetadataError, restore
from gallery.pictures import PictureError, open_picture
from gallery.rerun import recipe_in, with_inputs
from pipelines.recipe import OF_MODEL, FieldSpec, Recipe, RecipeError, fields, influence_fields, part_fields

INFLUENCES = {
    name: Annotated[list[str] | None, typer.Option(
        metavar="NAME=FILE[:WEIGHT][,start=…,end=…]",
        help=f"A picture to {what} NAME, in a share of the steps. May be repeated, up to 4 times.{more}",
    )]
    for name, what, more in (
        ("control", "follow by the ControlNet", " Also resize= and balance=."),
        ("reference", "take after by the IP-Adapter", ""),
    )
}  # fmt: skip
REGION = Annotated[list[str] | None, typer.Option(
    metavar="FILE[:WEIGHT]=PROMPT", help="A prompt for where the picture FILE is white. May be repeated."
)]  # fmt: skip
RECIPE = Annotated[str | None, typer.Option(
    metavar="FILE[:ID]",
    help="Run the recipe of a file again: a picture, a recipe as JSON, or a bundle (of which the picture ID, "
    "if it has several). What is given beside it takes the place of what the recipe says.",
)]  # fmt: skip
FILES = ("picture", "mask", "sketch")  # fields of an edit that are given as files
STARTS = {
    "edit": "init",
    "variation": "variation_seed",
    "hires": "hires_scale",
    "tiles": "tiles_side",
    "upscale": "upscale",
}  # options that ask for a part
OF_PICTURE = {"edit": "init", "upscale": "upscale"}  # the options that give a part its picture
PARTS = {  # option -> the part of the recipe that it is in, its field there, and that field's declaration
    name: (part, spec.name, spec)
    for part in STARTS for spec in part_fields(part) if spec.name != "known"
    for name in (OF_PICTURE[part] if spec.name == "picture"
                 else spec.name if part == "edit" else f"{part}_{spec.name}",)
}  # fmt: skip
SETTING = re.compile(r",([a-z_]+)=([^,=]*)$")  # what may follow an influence's picture


def given_pictures(
    given: Mapping[str, Any], control: list[str] | None, reference: list[str] | None,
    region: list[str] | None, before: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Image.Image]]:  # fmt: skip
    """What the options say beside the recipe ``before``, as a recipe has it, and the pictures that they
    name. Raises ``typer.BadParameter``."""
    pictures: dict[str, Image.Image] = {}
    said = nested(given, pictures, before)
    if control:
        said["controls"] = led("--control", "net", control, pictures, influence_fields("controls"))
    if reference:
        fields = influence_fields("references")
        said["references"] = led("--reference", "adapter", reference, pictures, fields)
    if region:
        said["regions"] = [placed(one, pictures) for one in region]
    return said, pictures


def draw_signature() -> inspect.Signature:
    """The options of ``draw``: the prompt, one option for each field of the recipe, and where to write."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    prompt, *others = sorted(fields(), key=lambda spec: spec.name != "prompt")
    parameters = [
        inspect.Parameter(
            "prompt", keyword, default=None,
            annotation=Annotated[str | None, typer.Argument(
                help=f"{prompt.help} May be left out with --recipe and --upscale.", show_default=False)],
        ),
        *(inspect.Parameter(s.name, keyword, default=None, annotation=_option(s)) for s in others),
        *(inspect.Parameter(name, keyword, default=None, annotation=a)
          for name, a in (INFLUENCES | {"region": REGION}).items()),
        *(inspect.Parameter(name, keyword, default=None, annotation=_part_option(name, field, spec))
          for name, (_, field, spec) in PARTS.items()),
        inspect.Parameter("recipe", keyword, default=None, annotation=RECIPE),
        inspect.Parameter(
            "out", keyword, default=Path("picture.png"),
            annotation=Annotated[Path, typer.Option(help="PNG to write; several are NAME-1.png, ...")],
        ),
        inspect.Parameter(
            "overwrite", keyword, default=False,
            annotation=Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")],
        ),
    ]  # fmt: skip
    return inspect.Signature(parameters)


def _option(spec: FieldSpec) -> Any:
    """Of what is not given, a recipe's file may say it, or the model; a seed is a new one each time."""
    allowed = "random if not given" if spec.name == "seed" else spec.allowed
    if spec.name in OF_MODEL:
        allowed += "; the model's own if not given"
    elif spec.name != "seed" and spec.default not in (None, ""):
        allowed += f"; {spec.default} if not given"
    return Annotated[spec.type | None, typer.Option(dashed(spec.name), help=f"{spec.help} ({allowed})")]


def dashed(name: str) -> str:
    return "--" + name.replace("_", "-")


def _part_option(name: str, field: str, spec: FieldSpec) -> Any:
    """An option that makes nothing of itself: what is not given stays as the part declares it."""
    if field in FILES:
        option = typer.Option(dashed(name), exists=True, dir_okay=False, help=f"A file: {spec.help}")
        return Annotated[Path | None, option]
    if spec.type is bool:
        return Annotated[
            bool | None, typer.Option(f"{dashed(name)}/--no-{name.replace('_', '-')}", help=spec.help)
        ]
    told = spec.allowed if spec.default is None else f"{spec.allowed}; {spec.default} if not given"
    return Annotated[spec.type | None, typer.Option(dashed(name), help=f"{spec.help} ({told})")]


def nested(
    given: Mapping[str, Any], pictures: dict[str, Image.Image], before: Mapping[str, Any]
) -> dict[str, Any]:
    """What is ``given``, with the options of each part of the recipe as that part, if the one that asks for
    it is given or the recipe ``before`` has it; the pictures of its files go into ``pictures``."""
    kept = {name: value for name, value in given.items() if name not in PARTS and value is not None}
    for part in dict.fromkeys(part for part, _, _ in PARTS.values()):
        names = {field: name for name, (its, field, _) in PARTS.items() if its == part}
        values = {field: given[name] for field, name in names.items() if given[name] is not None}
        if values and given[STARTS[part]] is None and before.get(part) is None:
            name = next(names[field] for field in values)
            raise typer.BadParameter(f"got it without {dashed(STARTS[part])}", param_hint=dashed(name))
        for field in values.keys() & FILES:
            values[field] = kept_picture(values[field], dashed(names[field]), pictures)
        if values:
            kept[part] = (before.get(part) or {}) | values
    return kept


def kept_picture(file: Path, option: str, pictures: dict[str, Image.Image]) -> str:
    """Its name in recipes."""
    try:
        picture = upright(open_picture(file))
    except PictureError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
    pictures[sha256_of(picture)] = picture
    return sha256_of(picture)


def led(
    option: str, reader: str, said: list[str] | None, pictures: dict[str, Image.Image],
    known: Sequence[FieldSpec] = (),
) -> list[dict[str, Any]]:  # fmt: skip
    """What each ``NAME=FILE[:WEIGHT][,FIELD=VALUE...]`` says, as a recipe has it, a FIELD being one of those
    ``known``; the pictures come into ``pictures``."""
    found = []
    specs = {spec.name: spec for spec in known if spec.name not in (reader, "picture", "weight")}
    for text in said or ():
        rest, more = text, dict[str, Any]()
        while specs and (match := SETTING.search(rest)):
            rest, (name, value) = rest[: match.start()], match.groups()
            try:
                more[name] = specs[name].type(value)
            except (KeyError, ValueError):
                allowed = ", ".join(f"{spec.name} ({spec.allowed})" for spec in specs.values())
                raise typer.BadParameter(
                    f"got {match[0][1:][:80]!r}; allowed: {allowed}.", param_hint=option
                ) from None
        try:
            name, picture, weight = weighed_picture(rest)
        except (ValueError, OSError) as error:
            raise typer.BadParameter(str(error), param_hint=option) from None
        pictures[sha256_of(picture)] = picture
        found.append({reader: name, "picture": sha256_of(picture), "weight": weight, **more})
    return found


def placed(said: str, pictures: dict[str, Image.Image]) -> dict[str, Any]:
    """The region that ``FILE[:WEIGHT]=PROMPT`` says, as a recipe has it; its mask comes into ``pictures``."""
    file, equals, prompt = said.partition("=")
    if not equals:
        raise typer.BadParameter(f"got {said[:80]!r}; allowed: FILE[:WEIGHT]=PROMPT.", param_hint="--region")
    [found] = led("--region", "prompt", [f"mask={file}"], pictures)
    return {"mask": found["picture"], "prompt": prompt, "weight": found["weight"]}


def said_before(
    file: str | None, upscale: Path | None, inputs: Path
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings in the file of --recipe, or of the picture that is enlarged without one, and what of them
    was not understood."""
    if file is None:
        return (enlarged(drew(upscale), {}) if upscale is not None else {}), ()
    try:
        found = recipe_in(file, inputs)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="--recipe") from None
    return found.recipe.model_dump(exclude_unset=True), found.notes


def drew(picture: Path) -> Recipe | None:
    """The recipe that made it, if it says one."""
    try:
        return restore(picture).recipe
    except (PictureError, MetadataError):  # the former is said when it is opened to be kept
        return None


def kept(recipe: Recipe, lent: Mapping[str, Image.Image], inputs: Path) -> Mapping[str, Image.Image]:
    """The pictures that ``recipe`` is made with, those ``lent`` among those that ``inputs`` keeps."""
    try:
        return with_inputs(recipe, lent, inputs)
    except RecipeError as error:
        raise typer.BadParameter(str(error)) from None
    except OSError as error:
        message = f"{inputs}: the pictures could not be kept: {error.strerror}."
        raise typer.BadParameter(message) from None


def files_to_write(out: Path, count: int, overwrite: bool) -> list[Path]:
    """One for each picture."""
    if out.suffix.lower() != ".png":
        raise typer.BadParameter(f"{out.name}: got {out.suffix!r}; allowed: .png.", param_hint="--out")
    files = [out] if count == 1 else [numbered(out, k + 1) for k in range(count)]
    if taken := [file for file in files if file.exists() and not overwrite]:
        raise typer.BadParameter(f"{taken[0]} exists already; --overwrite replaces it.", param_hint="--out")
    return files


def numbered(out: Path, number: int) -> Path:
    return out.with_name(f"{out.stem}-{number}{out.suffix}")
