"""Checkpoints in, answers out. Heavy libraries are imported only when something is loaded."""

from models.load import ModelError, defaults, load
from models.parts import Parts

__all__ = ["ModelError", "Parts", "defaults", "load"]
