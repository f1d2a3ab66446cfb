"""An upscale as a recipe asks for it: a picture, by what, how much larger. Knows no networks or pictures."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PLAIN = "lanczos"


class Upscale(BaseModel):
    """A picture made larger, without being drawn anew. The recipe beside it may say what drew it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    picture: Annotated[str, Field(min_length=64, max_length=64)] = Field(
        title="Picture", description="SHA-256 of the pixels of the picture that is enlarged."
    )
    upscaler: Annotated[str, Field(min_length=1, max_length=256)] = Field(
        PLAIN,
        title="Upscaler",
        description="'lanczos', or the name of one in the studio's folder of them.",
    )
    scale: Annotated[float, Field(ge=1, le=8)] = Field(
        2.0,
        title="Scale",
        description="How much wider and higher; what an upscaler makes otherwise is resampled.",
        json_schema_extra={"step": 0.5},
    )
    known: bool = Field(
        False,
        title="Settings known",
        description="Whether the other settings are those that its picture was drawn with; "
        "else they say nothing of it.",
    )
