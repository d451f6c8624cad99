from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from softcore_edge_app.ledger.connection import connect_to_read
from softcore_edge_app.ledger.ledger import Change, Ledger
from softcore_edge_app.queries import part_search
from softcore_edge_app.queries import worklist as worklist_module
from softcore_edge_app.queries.part_search import PartSearch
from softcore_edge_app.queries.worklist import Worklist, find_worklist, read_worklist
from softcore_runtime import Decision

from ..records import make_record


def read(path: Path, count: int = 50, camera: str | None = None) -> Worklist:
    with closing(connect_to_read(path)) as connection:
        return read_worklist(connection, count, camera)


def find(path: Path, count: int = 50, camera: str | None = None) -> Worklist:
    with closing(connect_to_read(path)) as connection:
        return find_worklist(connection, PartSearch(path), count, camera)


def list_numbers(worklist: Worklist) -> list[int]:
    return [part.row.number for part in worklist.parts]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of 40 parts every fourth is REVIEW, on two cameras in turn; two are settled, one was and isn't."""
    path = tmp_path / "line.ledger"
    records = [
        make_record(
            number,
            decision=Decision.REVIEW if number % 4 == 0 else Decision.PASS,
            score=12.5 if number % 4 == 0 else 6.0,
            fail_above=13.0,
            camera="left" if number % 8 else "right",
            decided_at=10**18 + number,
        )
        for number in range(1, 41)
    ]
    with Ledger.open(path) as ledger:
        ledger.append_all(records)
        for number, mark in ((4, "good"), (12, "bad"), (16, "bad"), (16, None), (5, "good")):
            ledger.note(Change("mark", "left", f"run-{number}", None, mark, "Anna"))
    return path


@pytest.mark.parametrize("list_open", [read, find])
def test_what_is_open_comes_oldest_first(path: Path, list_open: Callable[..., Worklist]) -> None:
    found = list_open(path)
    assert list_numbers(found) == [8, 16, 20, 24, 28, 32, 36, 40]
    assert (found.count, found.since) == (8, None)
    assert list_numbers(list_open(path, camera="left")) == [20, 28, 36]
    some = list_open(path, count=3)
    assert (list_numbers(some), some.count) == ([8, 16, 20], 8)
    assert list_open(path, camera="nowhere").count == 0


def test_only_the_last_rows_are_looked_through_and_that_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worklist_module, "ROWS_LISTED", 10)
    found = read(path)
    assert (list_numbers(found), found.count, found.since) == ([32, 36, 40], 3, 10**18 + 31)
    assert find(path).count == 8  # by the index, or where the ledger is short
    monkeypatch.setattr(part_search, "ROWS_PER_QUERY", 5)
    assert find(path) == found


def test_a_ledger_without_rows_has_none(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "line.ledger"):
        assert read(tmp_path / "line.ledger") == find(tmp_path / "line.ledger") == Worklist([], 0, None)
