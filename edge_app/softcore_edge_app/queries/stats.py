# ruff: noqa: S608 - the SQL consists of texts of this file
"""Ledger statistics: a summary of all rows of a ledger."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path

from softcore_runtime import Decision

from softcore_edge_app.ledger.check import open_ledger
from softcore_edge_app.ledger.layout import HOLDS
from softcore_edge_app.printable import printable

__all__ = ["summarise_ledger"]

_REASONS = 10  # the most frequent ones; the rest is in the export


def summarise_ledger(path: Path) -> list[str]:
    """Summarise a ledger in lines: counts and rates, also by category, reasons of INVALID, latencies, times.

    Rows that were corrected are not counted.

    Raises:
        sqlite3.Error: it can't be read.
    """
    with open_ledger(path) as connection:
        total, first, last = connection.execute(
            f"SELECT count(*), min(decided_at), max(decided_at) FROM rows WHERE {HOLDS}"
        ).fetchone()
        if not total:
            return ["0 rows"]
        lines = [
            f"{total} rows: {_count(connection)}",
            f"decided from {_format_time(first)} to {_format_time(last)}",
        ]
        for (category,) in connection.execute("SELECT DISTINCT category FROM rows ORDER BY category"):
            lines.append(f"category {printable(category)}: {_count(connection, category)}")
        took = connection.execute(f"SELECT count(milliseconds) FROM rows WHERE {HOLDS}").fetchone()[0]
        if took:
            half, most = (_percentile(connection, took, percent) for percent in (50, 95))
            lines.append(f"an inspection took {half:.1f} ms (p50), {most:.1f} ms (p95)")
        reasons = connection.execute(
            f"SELECT reason, count(*) AS many FROM rows WHERE decision = 'INVALID' AND {HOLDS} "
            "GROUP BY reason ORDER BY many DESC, reason LIMIT ?",
            [_REASONS],
        )
        for reason, many in reasons:
            times = "time" if many == 1 else "times"
            lines.append(f"INVALID {many} {times}: {printable(reason or 'no reason given')}")
    return lines


def _count(connection: sqlite3.Connection, category: str | None = None) -> str:
    """Return the counts and shares of the decisions, of one category or all."""
    counts = dict(
        connection.execute(
            f"SELECT decision, count(*) FROM rows WHERE (?1 IS NULL OR category = ?1) AND {HOLDS} "
            "GROUP BY decision",
            [category],
        )
    )
    total = sum(counts.values())
    shown = [d for d in Decision if d is not Decision.REVIEW or counts.get(str(d))]
    return ", ".join(f"{counts.get(str(d), 0)} {d} ({counts.get(str(d), 0) / total:.2%})" for d in shown)


def _percentile(connection: sqlite3.Connection, count: int, percent: int) -> float:
    """Return a time that occurred, and that this share of the inspections took at most."""
    rank = -(-(count - 1) * percent // 100)  # as numpy's method "higher"
    (value,) = connection.execute(
        f"SELECT milliseconds FROM rows WHERE milliseconds IS NOT NULL AND {HOLDS} "
        "ORDER BY milliseconds LIMIT 1 OFFSET ?",
        [rank],
    ).fetchone()
    return float(value)


def _format_time(nanoseconds: int) -> str:
    try:
        time = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return f"{nanoseconds} ns"
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
