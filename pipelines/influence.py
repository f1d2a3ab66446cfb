"""A picture that a drawing is influenced by, how strongly and in which steps, as a recipe asks for it.

What the picture does is the matter of its heirs: a ControlNet follows it, an IP-Adapter takes after it. Knows
no networks and no pictures.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class Influence(BaseModel):
    """The picture, and how much it counts when."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    picture: Annotated[str, Field(min_length=64, max_length=64)] = Field(
        title="Picture", description="SHA-256 of the pixels of what is seen."
    )
    weight: Annotated[float, Field(ge=0, le=2)] = Field(
        1.0,
        title="Weight",
        description="How strongly the picture counts; 0 is not at all.",
        json_schema_extra={"step": 0.05},
    )
    start: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        title="Start",
        description="The share of the steps from which on it counts.",
        json_schema_extra={"step": 0.01},
    )
    end: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0,
        title="End",
        description="The share of the steps until which it counts.",
        json_schema_extra={"step": 0.01},
    )

    @field_validator("end")
    @classmethod
    def _after_start(cls, value: float, info: ValidationInfo) -> float:
        start = info.data.get("start")
        if start is not None and value <= start:
            raise ValueError(f"got {value:g}; allowed: more than the {start:g} of 'Start'.")
        return value

    def steps(self, of: int) -> tuple[int, int]:
        """(first, last) of ``of`` steps, from 1, that lie in its share; first > last where none does."""
        inside = [k + 1 for k in range(of) if k / of >= self.start and (k + 1) / of <= self.end]
        return (inside[0], inside[-1]) if inside else (1, 0)
