"""Find: how fast the port finds and counts parts in a long ledger, and makes the report of a shift.

    python -m softcore_benchmarks.line.find --rows 10000000 --out benchmarks

Makes a ledger of ten parts a second by two cameras, every row hashed and chained as a line does it, and the
index beside it, and asks a port of its own over HTTP. Each question is asked several times with values drawn
anew; times are milliseconds, and the median counts. Writes results/line_find.json into --out; the exit code
is 1 where a median is above its target.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
from softcore_edge_app.configuration.options import HttpOptions
from softcore_edge_app.configuration.shift_calendar import ShiftCalendar
from softcore_edge_app.decisions.decision_record import CONTENT
from softcore_edge_app.ledger.check import read_header
from softcore_edge_app.ledger.head import HeadFile
from softcore_edge_app.ledger.layout import Counts, hash_content
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.ledger.note import NOTE_COLUMNS, Change, Note
from softcore_edge_app.ledger.opening import begin_ledger, connect_to_write
from softcore_edge_app.ledger.row import COLUMNS
from softcore_edge_app.pipeline.controls import OperatorControls, Status
from softcore_edge_app.queries.part_index import build_index, index_path
from softcore_edge_app.web.port.server import WebServer
from softcore_runtime.cli.command_line import run
from softcore_runtime.cli.progress import track

from softcore_benchmarks.measuring.commands import make_parser
from softcore_benchmarks.measuring.machine import describe_machine
from softcore_benchmarks.measuring.results import print_results

__all__ = ["fill_ledger", "main", "measure_questions"]

_SECOND = 10**9
_RATE = 10  # parts a second
_AT_ONCE = 20_000  # rows of a transaction
_MARKS = 2_000
_PAGE = 30  # parts, as many as the page shows on 1920 pixels
_TARGETS = {"the page opens": 1000.0, "report of a shift (HTML)": 2000.0, "report of a shift (CSV)": 2000.0}
_TARGET = 300.0  # milliseconds, of all other questions


class _Idle:
    """A line without cameras."""

    def describe(self) -> Status:
        return Status((), (), None, None, ())


def fill_ledger(path: Path, rows: int, end: int) -> None:
    """Write a ledger, the last part of which was decided at `end`, in nanoseconds of UTC since 1970."""
    begin_ledger(path)
    with closing(connect_to_write(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")  # of a ledger that can be made again
        counts = read_header(connection)
        insert = f"INSERT INTO rows VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
        made, head = _make_rows(rows, end, counts.head), counts.head
        for first in track(range(0, rows, _AT_ONCE), "rows", -(-rows // _AT_ONCE)):
            batch = list(islice(made, min(_AT_ONCE, rows - first)))
            head = batch[-1][-1]
            connection.execute("BEGIN")
            connection.executemany(insert, batch)
            connection.execute("UPDATE ledger SET rows = ?, head = ?", [first + len(batch), head])
            connection.execute("COMMIT")
        notes = _make_marks(rows, end, replace(counts, rows=rows, head=head))
        places = ", ".join("?" * len(NOTE_COLUMNS))
        connection.executemany(f"INSERT INTO notes VALUES ({places})", [note.values() for note in notes])  # noqa: S608
        connection.execute("UPDATE ledger SET notes = ?, notes_head = ?", [len(notes), notes[-1].hash])
        HeadFile(path, read_header(connection)).close()
    Ledger.open(path).close()  # which checks the ends of its chains


def _make_marks(rows: int, end: int, counts: Counts) -> list[Note]:
    notes: list[Note] = []
    for number in np.random.default_rng(1).integers(1, rows + 1, _MARKS).tolist():
        change = Change(
            "mark", _name_camera(number), f"run-{number}", None, "good" if number % 2 else "bad", "page"
        )
        previous = notes[-1].hash if notes else counts.notes_head
        notes.append(
            Note.chain(change, len(notes) + 1, end, row=counts.rows, row_hash=counts.head, previous=previous)
        )
    return notes


def _make_rows(rows: int, end: int, previous: str) -> Iterator[tuple[Any, ...]]:
    """Yield the values of rows as `Row.values` returns them; a tenth of its time."""
    draw = np.random.default_rng(0)
    number = 0
    while True:
        shares = (0.7 * np.exp(draw.normal(0, 0.2, _AT_ONCE))).tolist()
        ids = draw.integers(0, 2**32, _AT_ONCE).tolist()
        invalid = (draw.random(_AT_ONCE) < 0.01).tolist()
        for share, own, lost in zip(shares, ids, invalid, strict=True):
            number += 1
            decided = end - (rows - number) * _SECOND // _RATE
            content = dict.fromkeys(CONTENT)
            content |= {
                "trigger": f"run-{number}", "part": _name_part(number, own), "name": f"frame {number}",
                "camera": _name_camera(number), "category": "pill" if number < rows // 2 else "capsule",
                "bundle": "ab" * 32, "decision": "PASS", "threshold": 12.0, "fail_above": 13.0,
                "engine": "openvino", "provider": "CPU", "precision": "bf16",
                "triggered_at": decided - 9_000_000, "deadline_at": decided + 91_000_000,
                "decided_at": decided,
            }  # fmt: skip
            if lost:
                content |= {"decision": "INVALID", "reason": "no new frame for 2.0 s"}
            else:
                score = 12.0 * share
                decision = "PASS" if score <= 12.0 else "REVIEW" if score <= 13.0 else "FAIL"
                content |= {
                    "decision": decision, "score": score, "bound": "exact", "milliseconds": 4.6, "x": 0.4,
                    "y": 0.6,
                }  # fmt: skip
            own_hash = hash_content({**content, "number": number, "previous": previous})
            yield number, *content.values(), previous, own_hash
            previous = own_hash


def _name_part(number: int, own: int) -> str:
    return f"L{number // 50_000:05}-{own:08X}"


def _name_camera(number: int) -> str:
    return "left" if number % 2 else "right"


def measure_questions(path: Path, rows: int, end: int, repeats: int) -> dict[str, dict[str, float]]:
    """Ask a port for parts in many ways: of each the first, median and largest time in milliseconds."""
    server = WebServer(
        HttpOptions(port=0),
        cast(OperatorControls, _Idle()),
        lambda: (b"", ""),
        ledger=path,
        calendar=ShiftCalendar.read(["06:00", "14:00", "22:00"], "UTC"),
    )
    server.start()
    try:
        with httpx.Client(base_url=server.url, timeout=120) as client:
            return {
                name: _time_question(client, make, repeats)
                for name, make in _list_questions(path, rows, end).items()
            }
    finally:
        server.close()


def _list_questions(path: Path, rows: int, end: int) -> dict[str, Callable[[], tuple[str, dict[str, Any]]]]:
    draw = np.random.default_rng(2)
    with closing(connect_to_write(path)) as connection:
        numbers = draw.integers(1, rows + 1, 500).tolist()
        found = [
            connection.execute('SELECT part, "trigger" FROM rows WHERE number = ?', [number]).fetchone()
            for number in numbers
        ]
    known = iter(found * 10)
    begin = end - rows * _SECOND // _RATE

    def pick_time(latest: float = 1.0) -> str:
        moment = begin + int((end - begin) * draw.uniform(0, latest))
        return datetime.fromtimestamp(moment // _SECOND, timezone.utc).isoformat()

    def pick_shift() -> dict[str, Any]:
        # A whole shift of the ledger, or the whole ledger where it is shorter.
        since = int(draw.integers(begin, max(begin + 1, end - 8 * 3600 * _SECOND)))
        return {
            "since": datetime.fromtimestamp(since // _SECOND, timezone.utc).isoformat(),
            "until": datetime.fromtimestamp(since // _SECOND + 8 * 3600, timezone.utc).isoformat(),
        }

    def decisions(**query: Any) -> tuple[str, dict[str, Any]]:
        return "api/decisions", {"limit": _PAGE, **query}

    return {
        "the page opens": decisions,
        "the whole id": lambda: decisions(part=next(known)[0]),
        "an id that there isn't": lambda: decisions(part="L00000-none"),
        "the first 8 characters of an id": lambda: decisions(part=next(known)[0][:8]),
        "a lot of 50,000 parts": lambda: decisions(part=next(known)[0][:6]),
        "a trigger": lambda: (f"api/decisions/{next(known)[1]}", {}),
        "one of the four decisions": lambda: decisions(decision=draw.choice(["PASS", "FAIL", "INVALID"])),
        "a range of scores": lambda: decisions(min_share=round(draw.uniform(0.8, 1), 3), max_share=1.2),
        "a mark": lambda: decisions(marked=draw.choice(["good", "bad", "any"])),
        "a camera": lambda: decisions(camera=draw.choice(["left", "right"])),
        "a product": lambda: decisions(category=draw.choice(["pill", "capsule"])),
        "a time": lambda: decisions(since=pick_time(0.5), until=pick_time()),
        "a jump to a time": lambda: decisions(at=pick_time()),
        "all of these but the id": lambda: decisions(
            decision="FAIL", camera="left", category="pill", min_share=1.05, max_share=1.6,
            since=pick_time(0.3),
        ),
        "report of a shift (CSV)": lambda: ("api/report", {"form": "csv", **pick_shift()}),
        "report of a shift (HTML)": lambda: ("api/report", {"form": "html", **pick_shift()}),
    }  # fmt: skip


def _time_question(
    client: httpx.Client, make: Callable[[], tuple[str, dict[str, Any]]], repeats: int
) -> dict[str, float]:
    spent = []
    for _ in range(repeats):
        address, query = make()
        begin = time.perf_counter()
        answer = client.get(address, params=query)
        spent.append(1000 * (time.perf_counter() - begin))
        answer.raise_for_status()
        if address == "api/decisions" and answer.json()["total"] is None:
            raise RuntimeError(f"{query}: wasn't counted")
    return {
        "first": round(spent[0], 1), "median": round(float(np.median(spent)), 1),
        "largest": round(max(spent), 1),
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement; return the exit code."""
    parser = make_parser("line.find", __doc__)
    parser.add_argument(
        "--rows", type=int, default=10_000_000, metavar="N", help="of the ledger (10,000,000)"
    )
    parser.add_argument("--repeats", type=int, default=15, metavar="N", help="of each question (15)")
    parser.add_argument("--folder", type=Path, help="where the ledger is made, and stays (a temporary one)")
    parser.add_argument("--out", type=Path, help="where results/line_find.json goes")
    return run(parser, _work, arguments)


def _work(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as place:
        path = (options.folder or Path(place)) / f"line-{options.rows}.ledger"
        end = time.time_ns()
        began = time.perf_counter()
        if path.exists():
            with closing(connect_to_write(path)) as connection:
                (end,) = connection.execute("SELECT max(decided_at) FROM rows").fetchone()
        else:
            fill_ledger(path, options.rows, end)
        filled, began = time.perf_counter() - began, time.perf_counter()
        build_index(path)
        indexed = time.perf_counter() - began
        found = measure_questions(path, options.rows, end, options.repeats)
        results = {
            "machine": describe_machine(),
            "rows": options.rows,
            "ledger_megabytes": round(path.stat().st_size / 1e6),
            "index_megabytes": round(index_path(path).stat().st_size / 1e6),
            "seconds_to_fill": round(filled, 1),
            "seconds_to_index": round(indexed, 1),
            "milliseconds": found,
        }
    print_results("line_find", results, options.out)
    return int(any(spent["median"] > _TARGETS.get(name, _TARGET) for name, spent in found.items()))


if __name__ == "__main__":
    sys.exit(main())
