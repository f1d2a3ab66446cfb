"""A reference picture as a recipe asks for it. Knows no networks and no pictures."""

from typing import Annotated

from pydantic import Field

from pipelines.influence import Influence


class Reference(Influence):
    """A picture that a drawing takes after, and the IP-Adapter that reads it (arXiv:2308.06721)."""

    adapter: Annotated[str, Field(min_length=1, max_length=256)] = Field(
        title="IP-Adapter", description="The name of one in the studio's folder of them."
    )
