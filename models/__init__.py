"""Checkpoints in, answers out. Heavy libraries are imported only when something is loaded."""

from models.error import ModelError
from models.load import defaults, load, table
from models.parts import Parts
from models.text import Context
from models.vae import with_vae

__all__ = ["Context", "ModelError", "Parts", "defaults", "load", "table", "with_vae"]
