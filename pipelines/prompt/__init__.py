"""The language of prompts: AUTOMATIC1111's, and choices, wildcards and styles beside it. Knows no tokens.

A text is read in this order: asides (comments, LoRAs), choices, joined (AND), editing (by step), emphasis
(weights and BREAK). Each gives the next one plain text, so each can be read, printed and tested alone.
"""

from pipelines.prompt.asides import PARTIAL, Lora, lora_stages, loras, without_asides, without_comments
from pipelines.prompt.brackets import Mistake, mistakes
from pipelines.prompt.choices import NAME, Wildcards, by_seed, expanded, longest
from pipelines.prompt.editing import Stage, stages
from pipelines.prompt.emphasis import runs
from pipelines.prompt.joined import Part, cut, parts
from pipelines.prompt.style import Style, read_styles

__all__ = [
    "NAME",
    "PARTIAL",
    "Lora",
    "Mistake",
    "Part",
    "Stage",
    "Style",
    "Wildcards",
    "by_seed",
    "cut",
    "expanded",
    "longest",
    "lora_stages",
    "loras",
    "mistakes",
    "parts",
    "read_styles",
    "runs",
    "stages",
    "without_asides",
    "without_comments",
]
