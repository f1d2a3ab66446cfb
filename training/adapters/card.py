# ruff: noqa: E501  (prose)
"""The adapters' model cards, written from what was measured."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.starter.card import percent

HEAD = ("---", "license: apache-2.0", "base_model: ../", "---", "")
SOURCES = {
    "edges": "white edges on black, as the preprocessor Canny makes them of a picture",
    "shapes": "objects filled with red, green and blue in their order, on black: a segmentation anyone can paint",
}


def write_cards(figures: Mapping[str, Any], loras: Sequence[str], maps: Sequence[str], model: Path) -> None:
    """Write README.md beside the LoRAs and beside the ControlNets of ``model``."""
    (model / "loras" / "README.md").write_text("\n".join(_loras(figures, loras)), encoding="utf-8")
    (model / "controlnets" / "README.md").write_text("\n".join(_controls(figures, maps)), encoding="utf-8")


def _loras(figures: Mapping[str, Any], loras: Sequence[str]) -> list[str]:
    some = figures[loras[0]]
    share = some["parameters"] / some["of the U-Net's"]
    return [
        *HEAD, "# The starter's style LoRAs", "",
        "Each draws whatever is asked in one style: `<lora:sepia:1>` in a prompt, or *Styles and LoRAs* on Create.",
        f"LoRA (arXiv:2106.09685) on the U-Net's attention and outer convolutions: {some['parameters']:,} numbers, {share:.2%} of the U-Net's,",
        "trained by `make adapters` on rendered scenes in the style whose captions do not name it.", "",
        *_measured(figures), "",
        "| file | style seen with | without | object right with | without |", "|---|---|---|---|---|",
        *(f"| `{style}.safetensors` | {percent(row['style with'])} | {percent(row['style without'])} "
          f"| {percent(row['object with'])} | {percent(row['object without'])} |"
          for style in loras for row in (figures[style],)), "",
        "Style and object are told by two small classifiers trained on rendered scenes; of true scenes in the style they see the",
        "style in " + ", ".join(f"{figures[s]['style, true pictures']['rate']:.0%} ({s})" for s in loras)
        + " and the object in " + ", ".join(f"{figures[s]['object, true pictures']['rate']:.0%}" for s in loras) + ".", "",
        "They know what the starter knows, and are for the starter alone. Each leaves a third of the colour, as a hand-tinted print",
        "does: in tones of one ink, an object as bright as its background is lost.", "",
    ]  # fmt: skip


def _controls(figures: Mapping[str, Any], maps: Sequence[str]) -> list[str]:
    return [
        *HEAD, "# The starter's ControlNets", "",
        "Each makes a drawing follow a picture: *ControlNets* on Create, or `--control NAME=FILE`. They are Control-LoRAs:",
        "a ControlNet (arXiv:2302.05543) that shares the U-Net's weights and keeps only how it differs from them, trained by",
        "`make adapters` on rendered scenes and their maps.", "",
        *(f"- `{kind}`: {SOURCES[kind]}." for kind in maps), "",
        *_measured(figures), "",
        "| file | agreement (F1) with | without | of the true pictures | object right with | without |",
        "|---|---|---|---|---|---|",
        *(f"| `{kind}.safetensors` | {row['agreement with']:.2f} | {row['agreement without']:.2f} "
          f"| {row['agreement, true pictures']:.2f} | {percent(row['object with'])} | {percent(row['object without'])} |"
          for kind in maps for row in (figures[kind],)), "",
        "Agreement is of Canny edges a pixel apart (edges), and of what stands out from the background (shapes).", "",
    ]  # fmt: skip


def _measured(figures: Mapping[str, Any]) -> list[str]:
    return [
        f"Measured on {figures['prompts']} held-out prompts of the starter's card, the same seeds with and without, {figures['steps']} steps,",
        "95 % intervals. `docs/adapters/` has the pictures.",
    ]
