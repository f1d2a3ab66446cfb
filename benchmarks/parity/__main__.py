"""``python -m benchmarks.parity``: measure every case, write docs/parity.md; 1 if one is over."""

import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports the hub's client

import torch

from benchmarks.parity.latents import TOLERANCE, Models
from benchmarks.parity.table import GROUPS, page, row

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"


def main() -> int:
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    for logging in (of_diffusers, of_transformers):
        logging.set_verbosity_error()
        logging.disable_progress_bar()
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        models = Models(Path(folder))
        for group, cases in GROUPS.items():
            for case in cases:
                pair = case.run(models)
                rows.append((group, case.what, pair.difference, pair.effect))
                print(row(*rows[-1][1:]), flush=True)
    PAGE.write_text(page(rows), "utf-8")
    return int(any(difference >= TOLERANCE for _, _, difference, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
