"""Checkpoints in, answers out. Heavy libraries are imported only when something is loaded."""

from models.load import ModelError, load
from models.parts import Parts

__all__ = ["ModelError", "Parts", "load"]
