"""A ControlNet as a recipe asks for it, and what may be chosen of it. Knows no networks and no pictures."""

from typing import Annotated, NamedTuple

from pydantic import Field, ValidationInfo, field_validator

from pipelines.influence import Influence


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


class Control(Influence):
    """A picture that a drawing follows, and the ControlNet that reads it: edges, depths, a pose ..."""

    net: Annotated[str, Field(min_length=1, max_length=256)] = Field(
        title="ControlNet", description="The name of one in the studio's folder of them."
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
