"""Ledger layout: its tables, what its header counts, and how its content is hashed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ABSENT",
    "CORRECTIONS",
    "FORMAT",
    "HOLDS",
    "TABLES",
    "Counts",
    "hash_content",
    "hash_start",
    "list_objects",
]

FORMAT = 4  # of the file and of the hashed content, as they are written
ABSENT: dict[int, tuple[str, ...]] = {
    FORMAT: (),
    3: ("published_at", "corrects"),
}  # by the formats that are read

TABLES = {
    "ledger": """CREATE TABLE ledger (
    id TEXT NOT NULL, format INTEGER NOT NULL, rows INTEGER NOT NULL, head TEXT NOT NULL,
    notes INTEGER NOT NULL, notes_head TEXT NOT NULL
)""",
    "rows": """CREATE TABLE rows (
    number INTEGER PRIMARY KEY, "trigger" TEXT NOT NULL, part TEXT NOT NULL, name TEXT NOT NULL,
    camera TEXT NOT NULL,
    category TEXT NOT NULL, bundle TEXT NOT NULL, decision TEXT NOT NULL, score REAL, bound TEXT,
    threshold REAL NOT NULL, fail_above REAL NOT NULL, engine TEXT NOT NULL, provider TEXT NOT NULL,
    "precision" TEXT NOT NULL, triggered_at INTEGER NOT NULL, deadline_at INTEGER,
    decided_at INTEGER NOT NULL, milliseconds REAL, reason TEXT, x REAL, y REAL,
    published_at INTEGER, corrects INTEGER,
    previous TEXT NOT NULL, hash TEXT NOT NULL
)""",
    "notes": """CREATE TABLE notes (
    number INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, camera TEXT NOT NULL, subject TEXT,
    "before" TEXT, "after" TEXT, "by" TEXT NOT NULL, "row" INTEGER NOT NULL, row_hash TEXT NOT NULL,
    previous TEXT NOT NULL, hash TEXT NOT NULL
)""",
}

# Finds whether a row was corrected; nearly empty. There is no other index beside the numbers.
CORRECTIONS = "CREATE INDEX corrections ON rows (corrects) WHERE corrects IS NOT NULL"

# True for a row that no later one corrects: its decision is the one that was published.
HOLDS = "NOT EXISTS (SELECT 1 FROM rows AS later WHERE later.corrects = rows.number)"


@dataclass(frozen=True)
class Counts:
    """The counts in a ledger's header.

    Attributes:
        ledger: the ledger's id.
        rows, notes: number of them.
        head, notes_head: hash of the last one, or what the first one follows.
    """

    ledger: str
    rows: int
    head: str
    notes: int
    notes_head: str


def list_objects(form: int) -> list[tuple[str, str, str, str]]:
    """Return type, name, table and SQL of each table and index of a ledger of a format."""
    if form == FORMAT:
        tables, indexes = TABLES, [("index", "corrections", "rows", CORRECTIONS)]
    else:
        absent = f"    {', '.join(f'{name} INTEGER' for name in ABSENT[form])},\n"
        tables, indexes = {name: sql.replace(absent, "") for name, sql in TABLES.items()}, []
    return [*(("table", name, name, sql) for name, sql in tables.items()), *indexes]


def hash_start(ledger: str, table: str, form: int = FORMAT) -> str:
    """Return the hash that the first row of a table follows; `ledger` is the ledger's random id."""
    return hash_content({"format": form, "ledger": ledger, "table": table})


def hash_content(content: dict[str, Any]) -> str:
    """Return the SHA-256 of an object, in hex."""
    # One text for each content: keys in order, no spaces, ASCII, floats as the shortest that read back.
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
