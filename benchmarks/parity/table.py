"""All cases, and the page of what was measured."""

from collections.abc import Iterable
from importlib.metadata import version

from benchmarks.parity import controlnets, edits, families, ip_adapters, loras, prompts
from benchmarks.parity.latents import TOLERANCE, Case

GROUPS: dict[str, list[Case]] = {
    "Families": families.CASES,
    "Prompts": prompts.CASES,
    "LoRAs": loras.CASES,
    "ControlNets": controlnets.CASES,
    "IP-Adapters": ip_adapters.CASES,
    "Edits": edits.CASES,
}
INTRODUCTION = f"""# As diffusers draws

Written by `make parity` (`python -m benchmarks.parity`). Each row is one tiny model of random weights, built
as those of its family are, float32 on one CPU thread, the same first noise, prompts and steps here and in
diffusers {{diffusers}}. *Difference* is the norm of our final latents less diffusers', over the norm of
diffusers'; tests hold every one below {TOLERANCE:.0e}. *Without* is the same for our latents without what the
row is about (under another prompt, without the adapter, unweighed, at another strength): were it small too,
agreement would say nothing.
"""


def page(rows: Iterable[tuple[str, str, float, float]]) -> str:
    """docs/parity.md, from (group, what, difference, effect) of every case."""
    lines = [INTRODUCTION.format(diffusers=version("diffusers")).rstrip()]
    last = ""
    for group, what, difference, effect in rows:
        if group != last:
            lines.append(f"\n## {group}\n\n| case | difference | without |\n|---|---|---|")
            last = group
        lines.append(row(what, difference, effect))
    return "\n".join(lines) + "\n"


def row(what: str, difference: float, effect: float) -> str:
    return f"| {what} | {difference:.1e} | {effect:.2g} |"
