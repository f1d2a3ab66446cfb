"""Settings of a training: what the loop takes, how a file of them is read, what is wrong with one."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Settings(BaseModel):
    """What every training has. What is None is the family's or the tuning's own, or the loop's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(1500, ge=1, le=10_000_000, description="optimiser steps")
    minutes: float | None = Field(None, gt=0, le=10_000, description="of training, if they end it earlier")
    seed: int = Field(0, ge=0, lt=2**62)
    learning_rate: float | None = Field(None, gt=0, le=1)
    warmup: int | None = Field(None, ge=0)
    decay_from: float | None = Field(None, ge=0, le=1)
    weight_decay: float | None = Field(None, ge=0, le=1)
    clip: float | None = Field(None, gt=0)
    ema: float | None = Field(None, ge=0, lt=1)
    accumulate: int = Field(1, ge=1, le=1024)
    precision: Literal["auto", "no", "bf16", "fp16"] | None = None
    save_every: int | None = Field(None, ge=1)
    sample_every: int | None = Field(None, ge=1)
    log_every: int | None = Field(None, ge=1)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Raises ``ValueError`` that names the field, what was got and what is allowed."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            own = [name for name in cls.model_fields if name not in Settings.model_fields]
            told = (_told(fault, [*own, *Settings.model_fields]) for fault in error.errors())
            raise ValueError("; ".join(told)) from None

    def for_plan(self) -> dict[str, Any]:
        """Those that are the loop's ``Plan``'s, where they are given."""
        return self.model_dump(include=set(Settings.model_fields), exclude_none=True)


def _told(fault: Mapping[str, Any], fields: Sequence[str]) -> str:
    if not fault["loc"]:
        return str(fault["ctx"]["error"])  # our own, which says all
    field = str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        return f"{field}: no such setting; allowed: {', '.join(fields)}."
    if fault["type"] == "missing":
        return f"{field}: got nothing; it is needed."
    return f"{field}: got {fault['input']!r}; {fault['msg'][0].lower()}{fault['msg'][1:]}."


def read_values(file: Path, changes: Sequence[str] = ()) -> dict[str, Any]:
    """The values of a TOML file, with ``changes`` as "key=value" (a value as TOML has it, or a plain word).

    Raises ``ValueError`` that says what is wrong.
    """
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file}: not TOML: {error}.") from None
    for change in changes:
        key, sign, value = change.partition("=")
        if not sign:
            raise ValueError(f"--set: got {change!r}; allowed: key=value.")
        try:
            values[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = value.strip()
    return values
