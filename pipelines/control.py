"""A ControlNet as a recipe asks for it, and what may be chosen of it. Knows no networks and no pictures."""

from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class Option(NamedTuple):
    """An entry of a table to choose from."""

    name: str
    label: str
    help: str


RESIZES = {option.name: option for option in (
    Option("crop", "Crop", "The picture fills the drawing; what stands over is cut off on both sides."),
    Option("fit", "Fit", "All of the picture is there; the rest has the colour of its edge."),
    Option("stretch", "Stretch", "The picture gets the drawing's width and height."),
)}  # fmt: skip
BALANCES = {option.name: option for option in (
    Option("balanced", "Balanced", "Prompt and ControlNet count as they are."),
    Option("prompt", "My prompt is more important", "Fine layers of the ControlNet count less."),
    Option("control", "ControlNet is more important",
           "Fine layers count less, and what the prompt is guided away from knows no ControlNet."),
)}  # fmt: skip


class Control(BaseModel):
    """A picture that a drawing follows, and the ControlNet that reads it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    net: Annotated[str, Field(min_length=1, max_length=256)] = Field(
        title="ControlNet", description="The name of one in the studio's folder of them."
    )
    picture: Annotated[str, Field(min_length=64, max_length=64)] = Field(
        title="Control picture",
        description="SHA-256 of the pixels of what the ControlNet sees: edges, depths, a pose ...",
    )
    weight: Annotated[float, Field(ge=0, le=2)] = Field(
        1.0,
        title="Control weight",
        description="How strongly the picture is followed; 0 is not at all.",
        json_schema_extra={"step": 0.05},
    )
    start: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        title="Control start",
        description="The share of the steps from which on it is followed.",
        json_schema_extra={"step": 0.01},
    )
    end: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0,
        title="Control end",
        description="The share of the steps until which it is followed.",
        json_schema_extra={"step": 0.01},
    )
    resize: str = Field("crop", title="Resize", description="How the picture gets the drawing's size.")
    balance: str = Field("balanced", title="Balance", description="Whether prompt or ControlNet gives way.")

    @field_validator("resize", "balance")
    @classmethod
    def _known(cls, value: str, info: ValidationInfo) -> str:
        table = {"resize": RESIZES, "balance": BALANCES}[str(info.field_name)]
        if value not in table:
            raise ValueError(f"got {value[:40]!r}; allowed: one of {', '.join(table)}.")
        return value

    @field_validator("end")
    @classmethod
    def _after_start(cls, value: float, info: ValidationInfo) -> float:
        start = info.data.get("start")
        if start is not None and value <= start:
            raise ValueError(f"got {value:g}; allowed: more than the {start:g} of 'Control start'.")
        return value

    def steps(self, of: int) -> tuple[int, int]:
        """(first, last) of ``of`` steps, from 1, that lie in its share; first > last where none does."""
        inside = [k + 1 for k in range(of) if k / of >= self.start and (k + 1) / of <= self.end]
        return (inside[0], inside[-1]) if inside else (1, 0)
