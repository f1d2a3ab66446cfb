"""Styles: words that are put around a prompt, by name. Knows no files."""

import csv
import io
from dataclasses import dataclass

MARK = "{prompt}"
MOST_STYLES, MOST_CHARACTERS = 1000, 1 << 20


@dataclass(frozen=True)
class Style:
    """Words for the prompt and the negative prompt; the person's own stand where they hold ``{prompt}``."""

    name: str
    prompt: str = ""
    negative: str = ""

    def around(self, prompt: str, negative: str) -> tuple[str, str]:
        """(prompt, negative) with this style's words."""
        return _around(self.prompt, prompt), _around(self.negative, negative)


def _around(style: str, text: str) -> str:
    if MARK in style:
        return style.replace(MARK, text)
    return ", ".join(part for part in (text.strip(), style.strip()) if part)


def read_styles(text: str) -> tuple[Style, ...]:
    """Those of a ``styles.csv`` as AUTOMATIC1111 writes it: columns name, prompt, negative_prompt.

    Later ones of a name take the place of earlier ones. Raises ``ValueError`` that says the line.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"got styles of {len(text)} characters; allowed: at most {MOST_CHARACTERS}.")
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), skipinitialspace=True)
    missing = {"name", "prompt"} - set(rows.fieldnames or ())
    if missing:
        raise ValueError(f"got styles without the column {sorted(missing)[0]}; allowed: name, prompt, "
                         "negative_prompt.")  # fmt: skip
    found: dict[str, Style] = {}
    try:
        for row in rows:
            style = Style(row["name"] or "", row["prompt"] or "", row.get("negative_prompt") or "")
            if not style.name.strip():
                raise ValueError(
                    f"got a style without a name in line {rows.line_num}; allowed: one for each."
                )
            found[style.name] = style
    except csv.Error as error:
        raise ValueError(f"got styles that are not CSV in line {rows.line_num}: {error}.") from None
    if len(found) > MOST_STYLES:
        raise ValueError(f"got {len(found)} styles; allowed: at most {MOST_STYLES}.")
    return tuple(found.values())
