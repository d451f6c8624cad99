"""Results: what a measurement of a line found, as JSON on standard output and in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

__all__ = ["tell_results"]


def tell_results(name: str, found: Mapping[str, object], out: Path | None) -> None:
    """Print what was found, and write it to results/line_NAME.json in a folder, if one is given."""
    told = json.dumps(found, indent=2)
    print(told)
    if out:
        path = out / "results" / f"line_{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{told}\n")
