"""A region of a picture with a prompt of its own, as a recipe asks for it. Knows no networks or pictures."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipelines.prompt import parts, without_asides

MOST = 6  # of one picture: each is one more answer of the network at every step


class Region(BaseModel):
    """Where, what, and how strongly. LoRAs are named in the prompt, and act in the region alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    mask: Annotated[str, Field(min_length=64, max_length=64)] = Field(
        title="Region mask",
        description="SHA-256 of the pixels of a picture, laid over the whole: white is in the region.",
    )
    prompt: Annotated[str, Field(max_length=4000)] = Field(
        "", title="Region prompt", description="What to draw there, in place of the prompt of the whole."
    )
    weight: Annotated[float, Field(ge=0, le=2)] = Field(
        1.0,
        title="Region weight",
        description="1 is this prompt alone; 0.5 is half of it and half of the whole's. "
        "Where regions overlap they share by their weights.",
        json_schema_extra={"step": 0.05},
    )
    words: Annotated[str, Field(max_length=4000)] | None = Field(
        None, title="Resolved region prompt", description="The prompt with its choices made."
    )

    @field_validator("prompt")
    @classmethod
    def _joined(cls, value: str) -> str:
        if "{" not in value and "__" not in value:  # else each picture's choices tell
            parts(without_asides(value))
        return value
