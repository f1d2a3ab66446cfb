"""Which form of a model answers. Guidance asks for them by these names; ``models/`` has them."""

from typing import Literal, TypeAlias

Network: TypeAlias = Literal["whole", "identity-attention", "mean-query", "weak"]
"""The model itself; it with self-attention in which each place sees itself alone (PAG), or all places ask as
one (SEG); or a weaker model of the same kind (autoguidance)."""
