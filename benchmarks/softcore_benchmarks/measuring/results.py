"""Results: the files that a measurement writes; a page beside a folder `results` with the figures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["make_results_folder", "print_results", "write_json", "write_page"]


def make_results_folder(out: Path) -> Path:
    """Make the folder `results` in `out`, if it isn't there, and return it."""
    folder = out / "results"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_json(out: Path, name: str, results: Mapping[str, object]) -> None:
    """Write `results/NAME.json` in `out`."""
    (make_results_folder(out) / f"{name}.json").write_text(json.dumps(results, indent=2) + "\n")


def write_page(out: Path, name: str, paragraphs: Iterable[str]) -> Path:
    """Write a page of Markdown in `out` and return its path."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / name
    path.write_text("\n\n".join(paragraphs) + "\n")
    return path


def print_results(name: str, results: Mapping[str, object], out: Path | None) -> None:
    """Print results as JSON on standard output, and write `results/NAME.json` if `out` is given."""
    print(json.dumps(results, indent=2))
    if out:
        write_json(out, name, results)
