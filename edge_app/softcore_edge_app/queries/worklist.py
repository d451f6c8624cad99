"""Worklist: the REVIEW parts that nobody has settled yet, the oldest first."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from softcore_runtime import Decision

from softcore_edge_app.ledger.row import Row
from softcore_edge_app.queries.part_search import PartSearch
from softcore_edge_app.queries.parts import PARTS, Part, PartFilter

__all__ = ["ROWS_LISTED", "Worklist", "find_worklist", "read_worklist"]

ROWS_LISTED = 200_000  # rows, counted back from the last, that are looked through


@dataclass(frozen=True)
class Worklist:
    """REVIEW parts without a mark.

    Attributes:
        parts: the oldest of them.
        count: number of all of them.
        since: when the first row was decided on that was looked through, in nanoseconds of UTC since 1970:
            what is older isn't listed. None where the whole ledger was.
    """

    parts: list[Part]
    count: int
    since: int | None


def find_worklist(
    connection: sqlite3.Connection, search: PartSearch, count: int, camera: str | None = None
) -> Worklist:
    """Find the oldest parts that are to be settled; where the index lacks too much, see `read_worklist`.

    Args:
        connection: to the ledger, through which nothing of its present state was read yet.
        search: finds them by the ledger's index.
        count: number of parts at most.
        camera: of which camera; None for all.

    Raises:
        sqlite3.Error: they can't be read.
        ValueError: a row was changed.
    """
    wanted = PartFilter(decision=Decision.REVIEW, camera=camera, marked="none")
    page = search.find_page(connection, wanted, count, after=0)
    if page.total is None:
        return read_worklist(connection, count, camera)
    return Worklist(page.parts[::-1], page.total, None)


def read_worklist(connection: sqlite3.Connection, count: int, camera: str | None = None) -> Worklist:
    """Read the oldest parts that are to be settled, among the last `ROWS_LISTED` rows.

    Args:
        connection: to the ledger.
        count: number of parts at most.
        camera: of which camera; None for all.

    Raises:
        sqlite3.Error: they can't be read.
        ValueError: a row was changed.
    """
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM rows").fetchone()
    first = max(1, last - ROWS_LISTED + 1)
    found = connection.execute("SELECT decided_at FROM rows WHERE number >= ? LIMIT 1", [first]).fetchone()
    tests, values = "rows.number >= ? AND decision = 'REVIEW' AND mark IS NULL", [first]
    if camera is not None:
        tests, values = f"{tests} AND rows.camera = ?", [*values, camera]
    chosen = f"{PARTS} WHERE {tests} ORDER BY rows.number"
    (total,) = connection.execute(f"SELECT count(*) FROM ({chosen})", values).fetchone()  # noqa: S608
    rows = connection.execute(f"{chosen} LIMIT ?", [*values, count]).fetchall()
    parts = [Part(Row.read(row[:-1]), row[-1]) for row in rows]
    return Worklist(parts, total, found[0] if found and first > 1 else None)
