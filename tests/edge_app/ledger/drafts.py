"""Drafts: entries, notes and ledgers to write, forge and verify."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.ledger.ledger import Change, FaultKind, Ledger, Note, Row, verify_ledger
from softcore_edge_app.ledger.row import COLUMNS
from softcore_edge_app.ledger.seal import seal_path
from softcore_runtime import Decision

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
OTHER_COLUMNS = ", ".join(f'"{name}"' for name in COLUMNS[1:])


def entry(number: int = 0, **changes: Any) -> DecisionRecord:
    fields = {
        "trigger": f"run-{number}", "part": f"part {number}", "name": f"line.avi#{number}",
        "camera": "camera 0", "category": "pill", "bundle": "ab" * 32,
        "decision": Decision.PASS, "score": 3.5 + number, "bound": "exact",
        "threshold": 12.0, "fail_above": 12.0, "engine": "onnxruntime", "provider": "CPUExecutionProvider",
        "precision": "fp32", "triggered_at": 10**18 + number, "deadline_at": 10**18 + number + 10**9,
        "decided_at": 10**18 + number + 7, "milliseconds": 3.25, "reason": None,
    }  # fmt: skip
    return DecisionRecord(**{**fields, **changes})


def change(number: int = 0, **changes: Any) -> Change:
    fields = {"kind": "mark", "camera": "camera 0", "subject": f"run-{number}", "before": None,
              "after": "good", "by": "page"}  # fmt: skip
    return Change(**{**fields, **changes})


def write_noted(path: Path, count: int = 5) -> list[Note]:
    """A closed ledger of so many notes, each but the first after a row of its own."""
    with Ledger.open(path) as ledger:
        notes = [ledger.note(change(0))]
        for number in range(1, count):
            ledger.append(entry(number))
            notes.append(ledger.note(change(number)))
    return notes


def write(path: Path, count: int, first: int = 0) -> list[Row]:
    """A closed ledger, with so many rows more."""
    with Ledger.open(path) as ledger:
        return ledger.append_all([entry(first + number) for number in range(count)])


def forge(path: Path, *statements: str) -> None:
    """Change a ledger as who has SQLite can; the seal is broken, so that the chain is all there is."""
    seal_path(path).unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def found(path: Path, head: str | None = None) -> tuple[FaultKind, int | None]:
    fault = verify_ledger(path, head).fault
    assert fault, "nothing was found"
    return fault.kind, fault.row
