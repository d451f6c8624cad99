"""Ledger command: `softcore-edge ledger`, which verifies a ledger, exports it and sums it up."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from softcore_runtime import Decision, LedgerError
from softcore_runtime.cli.command_line import Parser

from softcore_edge_app.ledger.ledger import Verification, verify_ledger
from softcore_edge_app.queries.export import ExportSelection, export_ledger
from softcore_edge_app.queries.labels import export_labels
from softcore_edge_app.queries.shadow_figures import compute_shadow_figures, read_shadowed_parts
from softcore_edge_app.queries.shadow_report import describe_shadow, write_shadowed_parts
from softcore_edge_app.queries.stats import summarise_ledger

__all__ = ["add_command"]

_UNPROVABLE = 4  # exit code

_DESCRIPTION = """\
Look into the ledger of a line, which may be writing it meanwhile. Each command verifies the ledger first."""

_CODES = """\
exit codes:
  0  the ledger is whole, and the command is done
  2  a mistake in the command
  3  rows are missing or were changed, or the ledger can't be read"""

_VERIFY_CODES = f"""{_CODES}
  4  unsealed, tail unprovable: what is there is whole, and nothing proves that it is all"""

_EPILOG = f"""\
examples:
  softcore-edge ledger verify line1.ledger
  softcore-edge ledger stats line1.ledger
  softcore-edge ledger export line1.ledger --out fails.csv --decision FAIL
  softcore-edge ledger labels line1.ledger --archive images/ --out labelled/
  softcore-edge ledger shadow line1.ledger

{_CODES}"""

_VERIFY = """\
Verify that no byte of a ledger was changed: its chains of hashes, the head file that counts its rows and,
of a closed one, its seal. That shows a changed row and a missing one, not a ledger that was rewritten from
some row on together with all files beside it: note the head elsewhere from time to time, and verify with
it."""

_STATS = """\
Sum up a ledger: decisions, reasons of INVALID, times, by camera and bundle."""

_EXPORT = """\
Write the decisions of a ledger, or its notes, to a table: .csv or .parquet. Times are nanoseconds of UTC
since 1970. In CSV a text that a spreadsheet would take for a formula (=, +, -, @ ...) has an apostrophe
before it."""

_LABELS = """\
Copy the archived images of the parts that a person marked on the page to OUT/good and OUT/bad, for
softcore-calibrate."""

_SHADOW = """\
Compare a shadow, a bundle on trial, with the bundle that decides: how many parts both saw, on which they
differ, who was right about parts that a person marked, scores and times, by camera. A shadow whose threshold
was set meanwhile is a line of its own."""


def add_command(commands: Parser) -> None:
    """Add `ledger`, with its own commands, to the commands of `softcore-edge`."""
    parser = commands.add_command("ledger", "verify, export and sum up a ledger", _DESCRIPTION, _EPILOG)

    def add(
        name: str, work: Callable[[argparse.Namespace], int | None], title: str, text: str, example: str
    ) -> Parser:
        epilog = f"examples:\n{example}\n\n{_VERIFY_CODES if name == 'verify' else _CODES}"
        command = parser.add_command(name, title, text, epilog, work=work)
        command.add_argument("ledger", type=Path, metavar="FILE", help="the ledger")
        command.add_argument(
            "--head", type=_hash, metavar="HASH", help="a head noted elsewhere, to be found in it"
        )
        return command

    add(
        "verify",
        _verify_only,
        "find out whether any byte was changed",
        _VERIFY,
        "  softcore-edge ledger verify line1.ledger\n"
        "  softcore-edge ledger verify line1.ledger --head 8f6aa5b7...    (as the run's summary gave it)",
    )
    add("stats", _sum_up, "sum it up", _STATS, "  softcore-edge ledger stats line1.ledger")
    export = add(
        "export",
        _export,
        "write decisions or notes to a table",
        _EXPORT,
        "  softcore-edge ledger export line1.ledger --out fails.csv --decision FAIL --since 2026-11-01\n"
        "  softcore-edge ledger export line1.ledger --out changes.csv --notes",
    )
    export.add_argument("--out", type=Path, metavar="FILE", required=True, help="the table, .csv or .parquet")
    export.add_argument(
        "--since", type=_time, metavar="TIME", help="decided at that time or later (ISO; UTC)"
    )
    export.add_argument("--until", type=_time, metavar="TIME", help="decided before that time")
    what = export.add_mutually_exclusive_group()
    what.add_argument(
        "--decision", type=Decision, choices=list(Decision), metavar="DECISION", help="of this decision alone"
    )
    what.add_argument(
        "--notes",
        action="store_true",
        help="what was changed, and which parts a person called good or bad, instead of the decisions",
    )
    export.add_argument(
        "--raw", action="store_true", help="CSV for programs: every text as it is, formulas among them"
    )
    labels = add(
        "labels",
        _label,
        "copy the images of marked parts, for calibration",
        _LABELS,
        "  softcore-edge ledger labels line1.ledger --archive images/ --out labelled/\n"
        "  softcore-calibrate bundles/pill --good labelled/good --bad labelled/bad",
    )
    labels.add_argument(
        "--archive", type=Path, metavar="DIR", required=True, help="where the line kept its images"
    )
    labels.add_argument("--out", type=Path, metavar="DIR", required=True, help="a folder for the copies")
    labels.add_argument("--category", metavar="NAME", help="of which parts, where several are marked")
    shadow = add(
        "shadow",
        _compare_shadow,
        "compare a bundle on trial with the one that decides",
        _SHADOW,
        "  softcore-edge ledger shadow line1.ledger --since 2026-11-01\n"
        "  softcore-edge ledger shadow line1.ledger --csv > shadow.csv",
    )
    shadow.add_argument(
        "--since", type=_time, metavar="TIME", help="parts decided at that time or later (ISO; UTC)"
    )
    shadow.add_argument(
        "--csv", action="store_true", help="write both decisions of each part to standard output, as CSV"
    )


def _verify_only(options: argparse.Namespace) -> int:
    found = _verify(options.ledger, options.head)
    if found.unproven:
        state = f"unsealed, tail unprovable ({found.unproven})"
    else:
        state = f"whole, {'closed' if found.closed else 'being written, or not closed'}"
    notes = f", {found.notes} notes" if found.notes else ""
    heads = found.head + (f", of the notes {found.notes_head}" if found.notes else "")
    print(f"{options.ledger}: {found.rows} rows{notes}, {state}; head {heads}")
    return _UNPROVABLE if found.unproven else 0


def _sum_up(options: argparse.Namespace) -> None:
    _verify_and_warn(options)
    print("\n".join(summarise_ledger(options.ledger)))


def _export(options: argparse.Namespace) -> None:
    found = _verify_and_warn(options)
    choice = ExportSelection(options.since, options.until, options.decision, options.notes)
    count = export_ledger(options.ledger, options.out, choice, raw=options.raw)
    total = f"{found.notes} notes" if options.notes else f"{found.rows} rows"
    print(f"{count} of {total} in {options.out}", file=sys.stderr)


def _label(options: argparse.Namespace) -> None:
    _verify_and_warn(options)
    labels = export_labels(options.ledger, options.archive, options.out, options.category)
    counts = " and ".join(f"{count} {mark}" for mark, count in labels.counts.items())
    print("\n".join([f"{counts} in {options.out}", *labels.missing]), file=sys.stderr)


def _compare_shadow(options: argparse.Namespace) -> None:
    _verify_and_warn(options)
    if options.csv:
        write_shadowed_parts(read_shadowed_parts(options.ledger, options.since), sys.stdout)
        return
    found = compute_shadow_figures(options.ledger, options.since)
    lines = [line for figures in found for line in describe_shadow(figures)]
    print("\n".join(lines or [f"{options.ledger}: no part was seen by a shadow"]))


def _verify_and_warn(options: argparse.Namespace) -> Verification:
    found = _verify(options.ledger, options.head)
    if found.unproven:
        print(
            f"softcore-edge ledger: warning: {options.ledger}: unsealed, and {found.unproven}: rows may be "
            "missing at its end",
            file=sys.stderr,
        )
    return found


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
    """Read a time in ISO 8601, UTC if it names no zone, as nanoseconds since 1970."""
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a time like 2026-11-01T06:00, not {text!r}") from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=timezone.utc)
    since = time - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
