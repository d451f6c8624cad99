"""Report: tables and figures as Markdown, CSV and PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from softcore_benchmarks.measuring.results import make_results_folder, write_page
from softcore_benchmarks.protocol.tables import Table

__all__ = ["write_report"]

_NOT_RUN = "not run here"


def write_report(
    folder: Path,
    heading: Sequence[str],
    figures: pd.DataFrame,
    tables: Sequence[Table],
    images: Sequence[tuple[str, Path]],
) -> Path:
    """Write `RESULTS.md` and `results/*.csv`, in place of earlier ones; return the Markdown file.

    Args:
        folder: the output folder.
        heading: paragraphs before the tables.
        figures: all figures, for `results/figures.csv`.
        tables: in order.
        images: titles and files under `folder`.
    """
    data = make_results_folder(folder)
    for old in data.glob("table-*.csv"):
        old.unlink()
    figures.to_csv(data / "figures.csv", index=False, float_format="%.6g")
    parts = [*heading]
    for table in tables:
        table.frame.to_csv(data / f"table-{table.name}.csv", index=False, float_format="%.6g")
        number = table.name.split("-")[0]
        label = f"Table {number}: " if number.isdigit() else ""
        parts += [f"## {label}{table.title}", _to_markdown(table.frame)]
    for title, file in images:
        parts += [f"## {title}", f"![{title}]({file.relative_to(folder).as_posix()})"]
    return write_page(folder, "RESULTS.md", parts)


def _to_markdown(frame: pd.DataFrame) -> str:
    shown = frame.copy()
    for column in shown:
        if pd.api.types.is_float_dtype(shown[column]):
            shown[column] = [_show(value, str(column)) for value in shown[column]]
    return str(shown.to_markdown(index=False, disable_numparse=True))


def _show(value: float, column: str) -> str:
    """Format three decimals as in the paper, with a sign if it is a difference; times with three digits."""
    if pd.isna(value):
        return "-" if column.endswith("paper") else _NOT_RUN
    if ", ms" in column or ", s" in column or "/" in column:
        return f"{value:.3g}"
    if "gap" in column:
        return f"{value:+.3f}"
    return f"{value:.3f}"
