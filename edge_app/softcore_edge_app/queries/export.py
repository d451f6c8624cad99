"""Ledger export: a ledger's rows, or its notes, as CSV or Parquet."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from softcore_runtime import Decision, UsageError
from softcore_runtime.atomic_file import replace_file
from softcore_runtime.missing_library import explain_import

from softcore_edge_app.ledger.chain import SELECT, SELECT_NOTES
from softcore_edge_app.ledger.check import open_ledger
from softcore_edge_app.ledger.layout import HOLDS
from softcore_edge_app.ledger.note import NOTE_COLUMNS
from softcore_edge_app.ledger.row import COLUMNS
from softcore_edge_app.queries.formulas import defuse_formula

__all__ = ["ExportSelection", "export_ledger"]

_BATCH = 10_000  # rows in memory at a time
_INTS = ("number", "row", "corrects")
_TIMES = ("triggered_at", "deadline_at", "decided_at", "published_at", "at")
_FLOATS = ("score", "threshold", "fail_above", "milliseconds", "x", "y")


@dataclass(frozen=True)
class ExportSelection:
    """The rows to export: decided from `since` on and before `until` (ns of UTC since 1970), of one decision.

    Or the `notes` of that time, which have no decision. Rows that were corrected are left out if a decision
    is given, and if `corrected` is False.
    """

    since: int | None = None
    until: int | None = None
    decision: Decision | None = None
    notes: bool = False
    corrected: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return NOTE_COLUMNS if self.notes else COLUMNS

    def read(self, path: Path) -> Iterator[tuple[Any, ...]]:
        """Yield the selected rows or notes, as `columns`, the oldest first.

        Raises:
            sqlite3.Error: they can't be read.
        """
        time, select = ("at", SELECT_NOTES) if self.notes else ("decided_at", SELECT)
        tests = {f"{time} >= ?": self.since, f"{time} < ?": self.until, "decision = ?": self.decision}
        given = {test: value for test, value in tests.items() if value is not None}
        values = [str(value) if isinstance(value, Decision) else value for value in given.values()]
        holds = [HOLDS] if not self.notes and (self.decision or not self.corrected) else []
        where = f"WHERE {' AND '.join([*given, *holds])}" if given or holds else ""
        with open_ledger(path) as connection:
            yield from connection.execute(f"{select} {where} ORDER BY number", values)


def export_ledger(path: Path, out: Path, choice: ExportSelection, *, raw: bool = False) -> int:
    """Write a ledger's rows or notes to `out`, in the format of its suffix, and return their number.

    CSV has the numbers in full precision, times in nanoseconds, and an empty field for None; Parquet has
    times with their zone. Both hold everything that the hashes cover. An existing file is replaced.

    In CSV a text that a spreadsheet would take for a formula has an apostrophe before it, unless `raw`.

    Raises:
        UsageError: another suffix, or a file of the ledger itself.
        MissingLibraryError: pyarrow isn't installed.
        OSError: `out` can't be written; nothing of it is left.
    """
    write = {".csv": _write_raw_csv if raw else _write_csv, ".parquet": _write_parquet}.get(
        out.suffix.lower()
    )
    if write is None:
        raise UsageError(f"--out {out}: must end with .csv or .parquet")
    if out.resolve().name.startswith(path.resolve().name) and out.resolve().parent == path.resolve().parent:
        raise UsageError(f"--out {out}: is the ledger, or would pass for one of its files")
    unfinished = out.with_name(f"{out.name}.part")
    try:
        count = write(choice.read(path), choice.columns, unfinished)
        replace_file(unfinished, out)
    except BaseException as error:
        with suppress(OSError):
            unfinished.unlink()
        if isinstance(error, OSError):  # with the name that the caller gave
            why = os.strerror(error.errno) if error.errno else str(error)  # without pyarrow's own words
            raise OSError(error.errno, why, str(out)) from error
        raise
    return count


def _write_csv(rows: Iterator[tuple[Any, ...]], names: tuple[str, ...], out: Path) -> int:
    return _write_raw_csv((tuple(map(defuse_formula, row)) for row in rows), names, out)


def _write_raw_csv(rows: Iterator[tuple[Any, ...]], names: tuple[str, ...], out: Path) -> int:
    count = 0
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def _write_parquet(rows: Iterator[tuple[Any, ...]], names: tuple[str, ...], out: Path) -> int:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise explain_import(error, "parquet") from error
    kinds = {
        **dict.fromkeys(_INTS, pyarrow.int64()),
        **dict.fromkeys(_TIMES, pyarrow.timestamp("ns", tz="UTC")),
        **dict.fromkeys(_FLOATS, pyarrow.float64()),
    }
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in names])
    count = 0
    with pyarrow.parquet.ParquetWriter(out, schema) as writer:
        while batch := list(islice(rows, _BATCH)):
            columns = dict(zip(names, zip(*batch, strict=True), strict=True))
            writer.write_table(pyarrow.table(columns, schema=schema))
            count += len(batch)
    return count
