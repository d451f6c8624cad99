from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.ledger.connection import connect_to_read
from softcore_edge_app.ledger.ledger import Change, Ledger
from softcore_edge_app.queries import part_index, part_search
from softcore_edge_app.queries.part_index import build_index, count_behind, index_path
from softcore_edge_app.queries.part_search import PartSearch
from softcore_edge_app.queries.parts import PartFilter, PartPage
from softcore_runtime import Decision

from ..records import make_record

SECOND = 10**9
START = 1_790_000_000 * SECOND
ROWS = 203
BLOCK = 8
INDEXED = 120  # rows before the index is built; the rest comes later, and most of it is added to it
MARKS = {3: "good", 10: "bad", 11: None, 60: "bad", 150: "good", 151: "bad", 202: "good"}
CORRECTED = {5: 9, 90: 130, 140: 141, 201: 203}  # row: the one that corrects it
NAMED_AS = {20: 3, 125: 150, 17: 60}  # parts that are called as another's trigger
NAMES = ["LOT-7", "LOT-70", "LOT-71", "lot", "%", "Ü1", "LOT"]


def name(row: int) -> str:
    """The name of a part: a third have none of their own, and some have the id of another's trigger."""
    if row in NAMED_AS:
        return f"run-{NAMED_AS[row]}"
    return f"run-{row}" if row % 3 == 0 else f"{NAMES[row % 7]}{row // 20 if row % 2 else ''}"


def entry(row: int) -> DecisionRecord:
    for before, after in CORRECTED.items():
        if row == after:
            return replace(entry(before).correct("late", "x", START), corrects=before)
    decision = Decision(["PASS", "FAIL", "REVIEW", "INVALID", "PASS", "PASS"][row % 6])
    valid = decision is not Decision.INVALID
    late = 40 if 50 <= row < 80 else 0  # seconds by which the clock was set back for a while
    return make_record(
        row,
        part=name(row),
        camera=f"camera {row % 3}",
        category="pill" if row < 130 else "cap",
        decision=decision,
        score=row / 10 if valid else None,
        bound="exact" if valid else None,
        threshold=[10.0, 8.0, 0.0][row % 13 % 3],
        decided_at=START + (row - late) * SECOND,
        milliseconds=1.0 if valid else None,
        reason=None if valid else "x",
    )


PARTS = {row: entry(row) for row in range(1, ROWS + 1) if row not in CORRECTED}


def find_mark(row: int) -> str | None:
    """The mark of a part; a correction keeps the mark of its trigger."""
    return next((mark for marked, mark in MARKS.items() if PARTS[row].trigger == f"run-{marked}"), None)


def expect(wanted: PartFilter) -> list[int]:
    """The rows that are wanted, the newest first, in plain Python."""
    names = [one.part for one in map(entry, range(1, ROWS + 1))]

    def fits(row: int) -> bool:
        one, mark = PARTS[row], find_mark(row)
        share = None if one.score is None or one.threshold == 0 else one.score / one.threshold
        named = one.part == wanted.part if wanted.part in names else one.part.startswith(wanted.part or "")
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
                or (wanted.marked == "none" and mark is None)
            )
            and (wanted.part is None or named)
        )

    return sorted(filter(fits, PARTS), reverse=True)


@pytest.fixture(scope="module", autouse=True)
def _small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (part_index, part_search):
            patch.setattr(module, "BLOCK", BLOCK)
        yield


def fill(path: Path) -> Ledger:
    """Write a ledger whose index has whole blocks of all but the last rows, built in two steps."""
    ledger = Ledger.open(path)
    ledger.append_all([entry(row) for row in range(1, INDEXED + 1)])
    for row, mark in MARKS.items():
        for one in ("bad", "good", mark):  # only the last one counts
            if row <= INDEXED:
                ledger.note(Change("mark", "camera 0", f"run-{row}", None, one, "page"))
    ledger.note(Change("recipe", "camera 0", "run-7", "good", "bad", "page"))
    assert build_index(path) == INDEXED // BLOCK
    ledger.append_all([entry(row) for row in range(INDEXED + 1, ROWS)])
    for row, mark in MARKS.items():
        if INDEXED < row < 200:
            ledger.note(Change("mark", "camera 0", f"run-{row}", None, mark, "page"))
    assert build_index(path) == (ROWS - 1) // BLOCK
    ledger.append(entry(ROWS))
    ledger.note(Change("mark", "camera 0", "run-202", None, "good", "page"))
    ledger.note(Change("mark", "camera 0", "run-10", "good", "bad", "page"))
    return ledger


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("ledger") / "line.ledger"
    with fill(place):
        yield place


@pytest.fixture(scope="module")
def bare(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger without its index."""
    place = tmp_path_factory.mktemp("bare") / path.name
    with closing(connect_to_read(path)) as source, closing(sqlite3.connect(place)) as copy:
        source.backup(copy)
    return place


def find(
    path: Path, wanted: PartFilter, count: int = 300, search: PartSearch | None = None, **where: Any
) -> PartPage:
    with closing(connect_to_read(path)) as connection:
        return (search or PartSearch(path)).find_page(connection, wanted, count, **where)


def list_rows(page: PartPage) -> list[int]:
    return [part.row.number for part in page.parts]


TIMES = st.none() | st.integers(-5, ROWS + 5).map(lambda number: START + number * SECOND)
SHARES = st.none() | st.sampled_from([0.0, 0.5, 1.0, 1.25, 2.0])
FILTERS = st.builds(
    PartFilter, TIMES, TIMES, st.sampled_from([None, *map(str, Decision)]),
    st.sampled_from([None, "camera 1", "none"]), st.sampled_from([None, "pill", "cap"]), SHARES, SHARES,
    st.sampled_from([None, None, "good", "bad", "any", "none"]),
    st.none() | st.sampled_from(
        [*NAMES, "LO", "run-", "run-12", "run-201", "LOT-7110", "x", "Ü", "LOT-7_", "\U0010ffff"]
    ),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(wanted=FILTERS, count=st.integers(1, 60))
def test_all_that_is_wanted_is_counted_and_comes_once(path: Path, wanted: PartFilter, count: int) -> None:
    expected = expect(wanted)
    found: list[int] = []
    before = None
    while True:
        page = find(path, wanted, count, before=before)
        assert (page.total, page.newer) == (len(expected), len(found))
        found += list_rows(page)
        before = page.following
        if before is None:
            break
        assert len(page.parts) == count
    assert found == expected


@settings(max_examples=200, deadline=None)
@given(wanted=FILTERS, count=st.integers(1, 20), after=st.integers(0, ROWS + 3))
def test_the_parts_next_after_a_row(path: Path, wanted: PartFilter, count: int, after: int) -> None:
    newer = [row for row in expect(wanted) if row > after]
    page = find(path, wanted, count, after=after)
    assert list_rows(page) == newer[-count:]
    assert page.newer == max(0, len(newer) - count)


@settings(max_examples=100, deadline=None)
@given(wanted=FILTERS, second=st.integers(-3, 49) | st.integers(80, ROWS + 3))
def test_a_time_is_jumped_to(path: Path, wanted: PartFilter, second: int) -> None:
    at, expected = START + second * SECOND, expect(wanted)
    times = [entry(row).decided_at for row in range(1, ROWS + 1)]
    # Corrections have the times of the rows that they correct: then the time passes more than once.
    passes = [
        place
        for place in range(ROWS + 1)
        if (place == 0 or times[place - 1] <= at) and (place == ROWS or times[place] > at)
    ]
    found = list_rows(find(path, wanted, 7, at=at))
    assert found in [[row for row in expected if row <= place][:7] for place in passes]


def test_what_is_found_is_what_the_ledger_says(path: Path) -> None:
    for part in find(path, PartFilter()).parts:
        assert part.row.record == PARTS[part.row.number]
        assert part.mark == find_mark(part.row.number)


def test_a_part_is_found_by_its_trigger(path: Path) -> None:
    search = PartSearch(path)
    with closing(connect_to_read(path)) as connection:
        for row, one in PARTS.items():
            found = search.find_part(connection, one.trigger)
            assert found
            assert (found.row.number, found.mark) == (row, find_mark(row))
        for stranger in ("run-0", "LOT-7", ""):
            assert search.find_part(connection, stranger) is None
    assert not search.damaged


def test_where_ids_are_too_many_the_ledger_is_looked_through(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_index, "_MOST", 30)
    few, many = PartFilter(part="LOT-71"), PartFilter(part="LO")
    assert find(path, few).total == len(expect(few))
    page = find(path, many)
    assert (page.total, list_rows(page)) == (None, expect(many))


@given(wanted=FILTERS)
def test_a_short_ledger_needs_no_index(bare: Path, wanted: PartFilter) -> None:
    expected = expect(wanted)
    page = find(bare, wanted)
    assert (page.total, list_rows(page)) == (len(expected), expected)
    assert not index_path(bare).exists()


def test_where_the_index_lacks_too_much_the_ledger_is_looked_through(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_search, "ROWS_PER_QUERY", 2)
    assert find(path, PartFilter()).total is None


# --- The file --------------------------------------------------------------------------------------------


def cut(data: bytearray) -> bytearray:
    return data[: len(data) // 2]


def empty(data: bytearray) -> bytearray:
    return data[:0]


def scribble(data: bytearray) -> bytearray:
    data[4096:] = b"\x5a" * (len(data) - 4096)
    return data


def spoil_head(data: bytearray) -> bytearray:
    data[:100] = bytes(100)
    return data


@pytest.mark.parametrize("harm", [cut, empty, scribble, spoil_head])
def test_a_damaged_index_is_not_believed_and_made_anew(tmp_path: Path, harm: Any) -> None:
    path = tmp_path / "line.ledger"
    with fill(path):
        whole = (ROWS - 1) // BLOCK
        file = index_path(path)
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        file.write_bytes(harm(bytearray(file.read_bytes())))
        search = PartSearch(path)
        for wanted in (
            PartFilter(),
            PartFilter(decision="FAIL"),
            PartFilter(part="LOT-7"),
            PartFilter(min_share=1),
        ):
            found = [
                row
                for row in list_rows(find(path, wanted, search=search))
                if PARTS[row].part.startswith(wanted.part or "")
            ]
            assert set(expect(wanted)) <= set(found)
        assert search.damaged
        assert build_index(path) == whole
        assert count_behind(path) == 0
        assert find(path, PartFilter(min_share=1)).total == len(expect(PartFilter(min_share=1)))


@pytest.mark.parametrize("column", part_index.COLUMNS)
def test_a_changed_number_is_not_counted(tmp_path: Path, column: str) -> None:
    path = tmp_path / "line.ledger"
    with fill(path):
        with closing(sqlite3.connect(index_path(path), isolation_level=None)) as connection:
            (data,) = connection.execute(f"SELECT data FROM {column} WHERE block = 3").fetchone()  # noqa: S608
            changed = bytes([data[0] ^ 1]) + data[1:]
            connection.execute(f"UPDATE {column} SET data = ? WHERE block = 3", [changed])  # noqa: S608
        wanted = PartFilter(since=START + 27 * SECOND, decision="FAIL", camera="camera 1", max_share=9.0)
        search = PartSearch(path)
        page = find(path, wanted, search=search)
        assert (page.total, list_rows(page), search.damaged) == (None, expect(wanted), True)


def test_an_index_of_other_rows_is_not_believed(tmp_path: Path) -> None:
    first, second = tmp_path / "a.ledger", tmp_path / "b.ledger"
    with fill(first), Ledger.open(second) as other:
        other.append_all([entry(row) for row in range(1, 20)])
        index_path(second).write_bytes(index_path(first).read_bytes())
        search = PartSearch(second)
        assert list_rows(find(second, PartFilter(decision="FAIL"), search=search))[-1] == 1
        assert search.damaged
        assert count_behind(second) == 2
        assert build_index(second) == 2
        assert find(second, PartFilter(), search=PartSearch(second)).total == 19 - 1


def test_an_index_that_is_missing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_search, "ROWS_PER_QUERY", ROWS - 1)
    path = tmp_path / "line.ledger"
    with fill(path):
        for file in tmp_path.glob("*.index*"):
            file.unlink()
        assert count_behind(path) == (ROWS - 1) // BLOCK
        page = find(path, PartFilter())
        assert (page.total, list_rows(page)) == (None, expect(PartFilter()))
        build_index(path)
        assert count_behind(path) == 0
        assert find(path, PartFilter()).total == len(PARTS)


def test_a_ledger_with_an_index_is_as_whole_as_before(tmp_path: Path) -> None:
    from softcore_edge_app.ledger.ledger import verify_ledger

    path = tmp_path / "line.ledger"
    fill(path).close()
    found = verify_ledger(path)
    assert (found.fault, found.closed, found.unproven) == (None, True, None)
    assert find(path, PartFilter()).total == len(PARTS)
    assert verify_ledger(path).fault is None


def test_a_builder_that_is_killed_leaves_whole_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "line.ledger"
    with fill(path):
        part_index.remove_index(path)
        done = []
        count = part_index.zlib.crc32

        def die(data: bytes) -> int:
            done.append(1)
            if len(done) == 4 * 3 + 2:  # within the fourth block
                raise KeyboardInterrupt
            return count(data)

        with monkeypatch.context() as patch:
            patch.setattr(part_index.zlib, "crc32", die)
            with pytest.raises(KeyboardInterrupt):
                build_index(path)
        assert count_behind(path) == (ROWS - 1) // BLOCK - 3
        assert find(path, PartFilter(part="LOT-7")).total == len(expect(PartFilter(part="LOT-7")))
        assert build_index(path) == (ROWS - 1) // BLOCK
