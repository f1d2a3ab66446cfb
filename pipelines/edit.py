"""An edit as a recipe asks for it: what is drawn over, where, how strongly. Knows no networks or pictures."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.config import JsonDict

from pipelines.control import RESIZES, Option

MAX_SEED = 2**32 - 1
KEEP = Option("keep", "Keep", "The result has the picture's own size; Width and Height are the model's view.")
SIZES = {"keep": KEEP, **RESIZES}
CONTENTS = {option.name: option for option in (
    Option("original", "Original", "Drawing begins from what is under the mask."),
    Option("fill", "Fill", "From the colours around the mask."),
    Option("noise", "Latent noise", "From noise; wants a strength near 1."),
    Option("nothing", "Latent nothing", "From empty latents; wants a strength near 1."),
)}  # fmt: skip
AREAS = {option.name: option for option in (
    Option("whole", "Whole picture", "The model sees the whole picture."),
    Option("masked", "Only masked", "The model sees the mask and its padding, at Width and Height."),
)}  # fmt: skip
SEAMLESS = {option.name: option for option in (
    Option("none", "No", "The edges need not fit each other."),
    Option("both", "Both", "Left fits right, and top fits bottom."),
    Option("x", "Left and right", "The picture may stand beside itself."),
    Option("y", "Top and bottom", "The picture may stand above itself."),
)}  # fmt: skip
UPSCALERS = {option.name: option for option in (
    Option("latent", "Latent",
           "The latents are enlarged: the second pass invents more, and wants 0.5 or more."),
    Option("lanczos", "Lanczos", "The pixels are enlarged: the second pass sharpens what is there."),
)}  # fmt: skip
TABLES = {"resize": SIZES, "content": CONTENTS, "area": AREAS, "upscaler": UPSCALERS}

Strength = Annotated[float, Field(ge=0, le=1)]
Margin = Annotated[int, Field(ge=0, le=2048)]
Pixels: JsonDict = {"step": 1}


class _Part(BaseModel):
    """What all parts of a recipe share: frozen, strict, and choices from ``TABLES``."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @field_validator("resize", "content", "area", "upscaler", check_fields=False)
    @classmethod
    def _known(cls, value: str, info: ValidationInfo) -> str:
        table = TABLES[str(info.field_name)]
        if value not in table:
            raise ValueError(f"got {value[:40]!r}; allowed: one of {', '.join(table)}.")
        return value


class Edit(_Part):
    """A picture to draw over: all of it, what a mask covers, or beyond its borders. Lengths are pixels of the
    picture that results."""

    picture: Annotated[str, Field(min_length=64, max_length=64)] = Field(
        title="Init picture", description="SHA-256 of the pixels of the picture that is drawn over."
    )
    mask: Annotated[str, Field(min_length=64, max_length=64)] | None = Field(
        None,
        title="Mask",
        description="SHA-256 of the pixels of a mask of the picture's size: white is drawn, black stays.",
    )
    sketch: Annotated[str, Field(min_length=64, max_length=64)] | None = Field(
        None,
        title="Sketch",
        description="SHA-256 of the pixels of colours laid over the picture: drawing begins from them, and "
        "what they cover is drawn as if it were masked.",
    )
    strength: Strength = Field(
        0.75,
        title="Strength",
        description="The share of the steps that are run, from that much noise; 0 changes nothing.",
        json_schema_extra={"step": 0.01},
    )
    resize: str = Field(
        "keep", title="Picture size", description="Whether the picture gets the drawing's size, and how."
    )
    content: str = Field("original", title="Masked content", description="What drawing begins from.")
    area: str = Field("whole", title="Inpaint area", description="What of the picture the model sees.")
    padding: Annotated[int, Field(ge=0, le=512)] = Field(
        32,
        title="Padding",
        description="Around the mask, for the model to see where only that is shown.",
        json_schema_extra=Pixels,
    )
    grow: Annotated[int, Field(ge=-256, le=256)] = Field(
        0, title="Grow mask", description="How far the mask is widened; below 0 narrows it.",
        json_schema_extra=Pixels,
    )  # fmt: skip
    feather: Annotated[int, Field(ge=0, le=256)] = Field(
        8,
        title="Feather",
        description="Around the mask, where old and new blend; beyond it no byte changes.",
        json_schema_extra=Pixels,
    )
    invert: bool = Field(
        False, title="Invert mask", description="What the mask leaves is drawn, what it covers stays."
    )
    soft: bool = Field(
        False,
        title="Soft inpainting",
        description="Grey of the mask and feather is how much may change: it joins the drawing later.",
    )
    left: Margin = Field(
        0, title="Outpaint left", description="New picture beyond the border.", json_schema_extra=Pixels
    )
    right: Margin = Field(
        0, title="Outpaint right", description="New picture beyond the border.", json_schema_extra=Pixels
    )
    top: Margin = Field(
        0, title="Outpaint top", description="New picture beyond the border.", json_schema_extra=Pixels
    )
    bottom: Margin = Field(
        0, title="Outpaint bottom", description="New picture beyond the border.", json_schema_extra=Pixels
    )

    @field_validator("content")
    @classmethod
    def _seen(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("sketch") is not None and value in ("noise", "nothing"):
            raise ValueError(
                f"got {value} with a sketch, which would not be seen; allowed with it: original, fill."
            )
        return value

    @property
    def margins(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom)."""
        return self.left, self.top, self.right, self.bottom

    @property
    def everywhere(self) -> bool:
        """Whether all of the picture is drawn anew."""
        return self.mask is None and self.sketch is None and not any(self.margins)


class Variation(_Part):
    """Another picture near the one of the recipe's seed: its first noise turned towards another's."""

    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = Field(
        0,
        title="Variation seed",
        description="Where to; picture k of several uses this + k, and they all keep the seed.",
        json_schema_extra={"step": 1},
    )
    strength: Strength = Field(
        0.2,
        title="Variation strength",
        description="How far: 0 is the picture of the seed, 1 that of the variation seed.",
        json_schema_extra={"step": 0.01},
    )


class Hires(_Part):
    """A second pass over the picture, enlarged."""

    scale: Annotated[float, Field(ge=1, le=4)] = Field(
        2.0,
        title="Hires scale",
        description="How much wider and higher the picture gets.",
        json_schema_extra={"step": 0.05},
    )
    steps: Annotated[int, Field(ge=0, le=150)] = Field(
        0,
        title="Hires steps",
        description="Of which the second pass runs its strength's share; 0 is as many as the first has.",
        json_schema_extra={"step": 1},
    )
    strength: Annotated[float, Field(gt=0, le=1)] = Field(
        0.6,
        title="Hires strength",
        description="The share of the steps that the second pass runs.",
        json_schema_extra={"step": 0.01},
    )
    upscaler: str = Field("latent", title="Upscaler", description="What enlarges the first pass.")


class Tiles(_Part):
    """Drawing of pictures that are larger than what the model draws well, or than memory holds."""

    side: Annotated[int, Field(ge=64, le=2048, multiple_of=8)] = Field(
        512,
        title="Tile side",
        description="Pixels of the squares that the model sees; its own size draws best.",
        json_schema_extra={"step": 8},
    )
    overlap: Annotated[int, Field(ge=8, le=1024, multiple_of=8)] = Field(
        64,
        title="Tile overlap",
        description="Pixels that neighbours share, where they blend.",
        json_schema_extra={"step": 8},
    )

    @field_validator("overlap")
    @classmethod
    def _within(cls, value: int, info: ValidationInfo) -> int:
        side = info.data.get("side")
        if side is not None and value > side // 2:
            raise ValueError(f"got {value}; allowed: at most half of the {side} of 'Tile side'.")
        return value


def steps_run(strength: float, steps: int) -> int:
    """How many of ``steps`` a drawing over a picture runs: strength x steps, rounded down.

    They are the last ones, and begin with the picture at their first noise level (SDEdit, arXiv:2108.01073,
    alg. 1; the count is that of diffusers' ``StableDiffusionImg2ImgPipeline``). 0 changes nothing. Raises
    ``ValueError`` for a strength that is more than 0 and less than a step.
    """
    run = int(strength * steps + 1e-9)
    if strength > 0 and run == 0:
        least = -(-100 // steps) / 100
        raise ValueError(f"got {strength:g}, less than one of {steps} steps; allowed: 0, or {least:g} to 1.")
    return run
