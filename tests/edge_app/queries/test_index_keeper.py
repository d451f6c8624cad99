from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from softcore_edge_app.ledger.connection import connect_to_read
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.queries import index_keeper
from softcore_edge_app.queries.index_keeper import IndexKeeper, main
from softcore_edge_app.queries.part_index import BLOCK, count_behind, index_path
from softcore_edge_app.queries.part_search import PartSearch
from softcore_edge_app.queries.parts import PartFilter

from ..records import make_record


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "line.ledger"
    with Ledger.open(path) as made:
        made.append_all([make_record(number) for number in range(BLOCK + 5)])
    return path


@pytest.fixture
def keep(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[PartSearch], IndexKeeper]:
    monkeypatch.setattr(index_keeper, "_POLL", 0.05)

    def start(search: PartSearch) -> IndexKeeper:
        keeper = IndexKeeper(ledger, search)
        keeper.start()
        return keeper

    return start


def wait_for(done: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not done():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_missing_index_is_made_and_a_damaged_one_made_anew(
    ledger: Path, keep: Callable[[PartSearch], IndexKeeper]
) -> None:
    search = PartSearch(ledger)
    keeper = keep(search)
    try:
        wait_for(lambda: count_behind(ledger) == 0)
        with closing(sqlite3.connect(index_path(ledger))) as index, index:
            index.execute("UPDATE decision SET crc = crc + 1")
        with closing(connect_to_read(ledger)) as connection:
            assert search.find_page(connection, PartFilter(decision="PASS"), 5).total is None
        wait_for(lambda: not search.damaged)
        with closing(connect_to_read(ledger)) as connection:
            assert search.find_page(connection, PartFilter(decision="PASS"), 5).total == BLOCK + 5
        assert count_behind(ledger) == 0
    finally:
        keeper.close()


def test_an_index_that_can_not_be_written_is_said_once(
    ledger: Path, tmp_path: Path, keep: Callable[[PartSearch], IndexKeeper], caplog: pytest.LogCaptureFixture
) -> None:
    index_path(ledger).unlink(missing_ok=True)
    index_path(ledger).mkdir()
    try:
        keeper = keep(PartSearch(ledger))
        wait_for(lambda: bool(caplog.messages))
        keeper.close()
        assert "its index can't be written (" in caplog.text
    finally:
        index_path(ledger).rmdir()
    assert main([str(tmp_path / "none.ledger")]) == 3


def test_it_ends_at_once_and_leaves_whole_blocks(
    ledger: Path, keep: Callable[[PartSearch], IndexKeeper]
) -> None:
    keeper = keep(PartSearch(ledger))
    keeper.close()
    assert keeper._thread
    keeper._thread.join(30)
    assert not keeper._thread.is_alive()
    assert main([str(ledger)]) == 0
    assert count_behind(ledger) == 0
