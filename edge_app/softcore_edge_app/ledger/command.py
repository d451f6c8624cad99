"""Command: `softcore-edge ledger`, which verifies a ledger, exports it and sums it up."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from softcore_runtime import Decision, LedgerError, UsageError
from softcore_runtime.command_line import Parser, run

from softcore_edge_app.ledger.export import Choice, export_ledger
from softcore_edge_app.ledger.ledger import Verification, verify_ledger
from softcore_edge_app.ledger.stats import describe_ledger

__all__ = ["main"]

_DESCRIPTION = """\
Look into the ledger of a line, which may be writing it meanwhile."""

_EPILOG = """\
examples:
  softcore-edge ledger verify line1.ledger
  softcore-edge ledger verify line1.ledger --head 8f6aa5b7...    (as the run's summary gave it)
  softcore-edge ledger export line1.ledger --out fails.csv --decision FAIL --since 2026-11-01
  softcore-edge ledger stats line1.ledger

A chain of hashes shows a changed row, not a ledger that was rewritten from some row on: note the head
elsewhere from time to time, and verify with it.

exit codes:
  0  the ledger is whole, 2  a mistake in the command, 3  the ledger is damaged, or can't be read"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-edge ledger` and return its exit code."""
    return run(_build_parser(), _work, arguments)


def _build_parser() -> Parser:
    parser = Parser("softcore-edge ledger", _DESCRIPTION, _EPILOG)
    parser.add_argument("what", choices=("verify", "export", "stats"), help="what to do")
    parser.add_argument("ledger", type=Path, metavar="FILE", help="the ledger")
    parser.add_argument(
        "--head", type=_hash, metavar="HASH", help="a head noted elsewhere, to be found in it"
    )
    export = parser.add_argument_group("export")
    export.add_argument(
        "--out", type=Path, metavar="FILE", help="where to: .csv (times in ns of UTC since 1970) or .parquet"
    )
    export.add_argument(
        "--since", type=_time, metavar="TIME", help="decided at that time or later (ISO; UTC)"
    )
    export.add_argument("--until", type=_time, metavar="TIME", help="decided before that time")
    export.add_argument(
        "--decision", type=Decision, choices=list(Decision), metavar="DECISION", help="of this decision alone"
    )
    return parser


def _work(options: argparse.Namespace) -> None:
    for name in ("out", "since", "until", "decision"):
        if options.what != "export" and getattr(options, name) is not None:
            raise UsageError(f"--{name} is for export")
    if options.what == "export" and options.out is None:
        raise UsageError("export needs --out, a file that ends with .csv or .parquet")
    found = _verify(options.ledger, options.head)
    if options.what == "verify":
        state = "closed" if found.closed else "being written, or not closed"
        print(f"{options.ledger}: {found.rows} rows, whole, {state}; head {found.head}")
    elif options.what == "stats":
        print("\n".join(describe_ledger(options.ledger)))
    else:
        choice = Choice(since=options.since, until=options.until, decision=options.decision)
        count = export_ledger(options.ledger, options.out, choice)
        print(f"{count} of {found.rows} rows in {options.out}", file=sys.stderr)


def _verify(path: Path, head: str | None) -> Verification:
    found = verify_ledger(path, head)
    if found.fault:
        whole = f"the first {found.rows} rows are whole" if found.rows else "no row is whole"
        raise LedgerError(f"{path}: {found.fault}; {whole}")
    return found


def _hash(text: str) -> str:
    if len(text) != 64 or not set(text.lower()) <= set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"must be a hash of 64 hex digits, not {text!r}")
    return text.lower()


def _time(text: str) -> int:
    """Read a time in ISO 8601, UTC where it doesn't say; in nanoseconds since 1970."""
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a time like 2026-11-01T06:00, not {text!r}") from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=timezone.utc)
    since = time - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
