"""Command: `softcore-edge ledger`, which verifies a ledger, exports it, sums it up, labels pictures by it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from softcore_runtime import Decision, LedgerError, UsageError
from softcore_runtime.command_line import Parser, run

from softcore_edge_app.ledger.export import Choice, export_ledger
from softcore_edge_app.ledger.labels import export_labels
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
  softcore-edge ledger export line1.ledger --out changes.csv --notes
  softcore-edge ledger stats line1.ledger
  softcore-edge ledger labels line1.ledger --archive pictures/ --out labelled/
                                       (then: softcore-calibrate ... --good labelled/good --bad labelled/bad)

A chain of hashes shows a changed row, not a ledger that was rewritten from some row on: note the head
elsewhere from time to time, and verify with it.

exit codes:
  0  the ledger is whole, 2  a mistake in the command, 3  the ledger is damaged, or can't be read"""


_OF = {
    "out": ("export", "labels"),
    "since": ("export",),
    "until": ("export",),
    "decision": ("export",),
    "notes": ("export",),
    "archive": ("labels",),
    "category": ("labels",),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `softcore-edge ledger` and return its exit code."""
    return run(_build_parser(), _work, arguments)


def _build_parser() -> Parser:
    parser = Parser("softcore-edge ledger", _DESCRIPTION, _EPILOG)
    parser.add_argument("what", choices=("verify", "export", "stats", "labels"), help="what to do")
    parser.add_argument("ledger", type=Path, metavar="FILE", help="the ledger")
    parser.add_argument(
        "--head", type=_hash, metavar="HASH", help="a head noted elsewhere, to be found in it"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="where to: for export a file, .csv (times in ns of UTC since 1970) or .parquet; for labels a "
        "folder",
    )
    export = parser.add_argument_group("export")
    export.add_argument(
        "--since", type=_time, metavar="TIME", help="decided at that time or later (ISO; UTC)"
    )
    export.add_argument("--until", type=_time, metavar="TIME", help="decided before that time")
    export.add_argument(
        "--decision", type=Decision, choices=list(Decision), metavar="DECISION", help="of this decision alone"
    )
    export.add_argument(
        "--notes",
        action="store_true",
        default=None,
        help="what was changed, and which parts a person called good or bad, instead of the decisions",
    )
    labels = parser.add_argument_group("labels")
    labels.add_argument("--archive", type=Path, metavar="DIR", help="where the line kept its pictures")
    labels.add_argument("--category", metavar="NAME", help="of which parts, where several are marked")
    return parser


def _work(options: argparse.Namespace) -> None:
    for name, of in _OF.items():
        if options.what not in of and getattr(options, name) is not None:
            raise UsageError(f"--{name} is for {' and '.join(of)}")
    if options.what == "export" and options.out is None:
        raise UsageError("export needs --out, a file that ends with .csv or .parquet")
    if options.what == "export" and options.notes and options.decision:
        raise UsageError("--notes: notes have no decision")
    if options.what == "labels" and (options.out is None or options.archive is None):
        raise UsageError("labels needs --archive, where the pictures are, and --out, a folder for them")
    found = _verify(options.ledger, options.head)
    if options.what == "verify":
        state = "closed" if found.closed else "being written, or not closed"
        notes = f", {found.notes} notes" if found.notes else ""
        heads = found.head + (f", of the notes {found.notes_head}" if found.notes else "")
        print(f"{options.ledger}: {found.rows} rows{notes}, whole, {state}; head {heads}")
    elif options.what == "stats":
        print("\n".join(describe_ledger(options.ledger)))
    elif options.what == "labels":
        labels = export_labels(options.ledger, options.archive, options.out, options.category)
        counts = " and ".join(f"{count} {mark}" for mark, count in labels.counts.items())
        print("\n".join([f"{counts} in {options.out}", *labels.missing]), file=sys.stderr)
    else:
        choice = Choice(options.since, options.until, options.decision, bool(options.notes))
        count = export_ledger(options.ledger, options.out, choice)
        total = f"{found.notes} notes" if options.notes else f"{found.rows} rows"
        print(f"{count} of {total} in {options.out}", file=sys.stderr)


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
