from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.ledger.connection import connect_to_read
from softcore_edge_app.ledger.ledger import Change, Ledger
from softcore_edge_app.queries import parts as parts_module
from softcore_edge_app.queries.parts import Part, PartFilter, find_part, read_notes, read_parts
from softcore_runtime import Decision

SECOND = 10**9
START = 1_790_000_000 * SECOND
ROWS = 200
MARKS = {3: "good", 10: "bad", 11: None, 150: "good", 151: "bad"}  # by row, the last ones


def entry(number: int) -> DecisionRecord:
    decision = Decision(["PASS", "FAIL", "REVIEW", "INVALID", "PASS"][number % 5])
    valid = decision is not Decision.INVALID
    return DecisionRecord(
        trigger=f"run-{number}", part=f"part {number}", name="x", camera=f"camera {number % 3}",
        category="pill" if number < 120 else "cap", bundle="ab" * 32, decision=decision,
        score=number / 10 if valid else None, bound="exact" if valid else None, threshold=10.0,
        fail_above=10.0, engine="onnxruntime", provider="CPU", precision="fp32",
        triggered_at=START + number * SECOND, deadline_at=None, decided_at=START + number * SECOND,
        milliseconds=1.0 if valid else None, reason=None if valid else "x",
    )  # fmt: skip


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("ledger") / "line.ledger"
    with Ledger.open(path) as ledger:
        ledger.append_all([entry(number) for number in range(1, ROWS + 1)])
        for row, mark in MARKS.items():
            for one in ("bad", "good", mark):  # only the last one counts
                ledger.note(Change("mark", "camera 0", f"run-{row}", None, one, "page"))
        ledger.note(Change("recipe", "camera 0", "run-7", "good", "bad", "page"))
        with closing(connect_to_read(path)) as made:
            yield made


def expect(wanted: PartFilter) -> list[int]:
    """The rows that are wanted, in plain Python."""

    def fits(number: int) -> bool:
        one, mark = entry(number), MARKS.get(number)
        share = None if one.score is None else one.score / one.threshold
        return (
            (wanted.since is None or one.decided_at >= wanted.since)
            and (wanted.until is None or one.decided_at < wanted.until)
            and wanted.decision in (None, str(one.decision))
            and wanted.camera in (None, one.camera)
            and wanted.category in (None, one.category)
            and (wanted.min_share is None or (share is not None and share >= wanted.min_share))
            and (wanted.max_share is None or (share is not None and share <= wanted.max_share))
            and (
                wanted.marked is None
                or mark == wanted.marked
                or (wanted.marked == "any" and mark is not None)
            )
        )

    return [number for number in range(ROWS, 0, -1) if fits(number)]


TIMES = st.none() | st.integers(-5, ROWS + 5).map(lambda number: START + number * SECOND)
SHARES = st.none() | st.sampled_from([0.0, 0.5, 1.0, 1.25])
FILTERS = st.builds(
    PartFilter, TIMES, TIMES, st.sampled_from([None, *map(str, Decision)]),
    st.sampled_from([None, "camera 1", "none"]), st.sampled_from([None, "pill", "cap"]), SHARES, SHARES,
    st.sampled_from([None, "good", "bad", "any"]),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(wanted=FILTERS, count=st.integers(1, 60), at_once=st.integers(1, 300))
def test_page_by_page_all_that_is_wanted_comes_once(
    connection: sqlite3.Connection, wanted: PartFilter, count: int, at_once: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts_module, "ROWS_PER_QUERY", at_once)
        patch.setattr(parts_module, "_UNSTEADY", 3)
        found: list[Part] = []
        before = None
        for _ in range(ROWS + 1):
            page = read_parts(connection, wanted, count, before)
            assert len(page.parts) <= count
            found += page.parts
            before = page.following
            if before is None:
                break
    assert before is None
    assert [part.row.number for part in found] == expect(wanted)
    for part in found:
        assert part.row.record == entry(part.row.number)
        assert part.mark == MARKS.get(part.row.number)


def test_a_clock_that_was_set_back_a_little_hides_nothing(tmp_path: Path) -> None:
    times = [*range(50), *range(30, 80), *range(60, 100)]
    with Ledger.open(tmp_path / "a") as ledger:
        base = vars(entry(5))
        ledger.append_all([DecisionRecord(**{**base, "trigger": f"{n}", "decided_at": START + time})
                           for n, time in enumerate(times)])  # fmt: skip
        with closing(connect_to_read(tmp_path / "a")) as connection:
            for since in range(-1, 101, 7):
                for until in range(-1, 101, 9):
                    wanted = PartFilter(since=START + since, until=START + until)
                    page = read_parts(connection, wanted, 1000)
                    expected = [n for n, time in enumerate(times, 1) if since <= time < until]
                    assert [part.row.number for part in page.parts] == expected[::-1]


def test_a_part_is_found_by_its_trigger(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def number(trigger: str, row: int | None = None) -> int | None:
        part = find_part(connection, trigger, row)
        return part and part.row.number

    assert [number("run-1"), number("run-200"), number("run-201"), number("")] == [1, 200, None, None]
    assert [number("run-5", 5), number("run-5", 6), number("run-5", 900)] == [5, 5, 5]
    part = find_part(connection, "run-3")
    assert part
    assert part.mark == "good"
    monkeypatch.setattr(parts_module, "ROWS_SEARCHED", 50)
    assert [number("run-150"), number("run-151"), number("run-150", 150)] == [None, 151, 150]


def test_notes_come_page_by_page(connection: sqlite3.Connection) -> None:
    found: list[int] = []
    before: int | None = None
    while True:
        page, before = read_notes(connection, 5, before)
        found += [note.number for note in page]
        if before is None:
            break
    assert found == [*range(3 * len(MARKS) + 1, 0, -1)]


def test_an_empty_ledger_has_nothing(tmp_path: Path) -> None:
    wanted: Any = PartFilter(since=0, until=5, marked="any")
    with Ledger.open(tmp_path / "a"), closing(connect_to_read(tmp_path / "a")) as connection:
        for page in (read_parts(connection, PartFilter(), 5), read_parts(connection, wanted, 5, 7)):
            assert (page.parts, page.following) == ([], None)
        assert read_notes(connection, 5) == ([], None)
        assert find_part(connection, "x") is None
