from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.invalid_kinds import find_kind
from softcore_edge_app.ledger.connection import connect_to_read
from softcore_edge_app.ledger.ledger import Change, Ledger
from softcore_edge_app.queries import production_figures as figures_module
from softcore_edge_app.queries.production_figures import GRID, ProductionFigures, compute_figures
from softcore_runtime import Decision, UsageError

SECOND, HOUR = 10**9, 3600 * 10**9
START = 497_000 * HOUR  # a full hour
CAMERA = "no new frame for {} s (the camera is being reopened)"


def make_entries() -> list[DecisionRecord]:
    """Two cameras, a part each every second, for 2 h; with two gaps of `left`, two faults of `right`."""
    rng, entries = np.random.default_rng(0), []
    for second in range(7200):
        for camera in ("left", "right"):
            number = len(entries) + 1
            if camera == "left" and (1000 <= second < 1061 or 4000 <= second < 4300):
                continue
            faulty = camera == "right" and (500 <= second < 520 or 3000 <= second < 3600)
            late = not faulty and second % 97 == 0
            score = float(rng.gamma(9, 1))
            decision = "INVALID" if faulty or late else "PASS" if score <= 12 else "FAIL"
            valid = decision != "INVALID"
            time = START + second * SECOND
            entries.append(
                DecisionRecord(
                    trigger=f"t{number}", part=f"p{number}", name="x", camera=camera, category="pill",
                    bundle="ab" * 32, decision=Decision(decision), score=score if valid else None,
                    bound="exact" if valid else None, threshold=12.0, fail_above=12.0, engine="e",
                    provider="p", precision="fp32", triggered_at=time, deadline_at=None,
                    decided_at=time + SECOND // 2, milliseconds=1.0 if valid else None,
                    reason=CAMERA.format(second % 7) if faulty else "late: x" if late else None,
                    x=float(rng.random()) if valid else None, y=float(rng.random() ** 2) if valid else None,
                )
            )  # fmt: skip
    return entries


@pytest.fixture(scope="module")
def entries() -> list[DecisionRecord]:
    return make_entries()


@pytest.fixture(scope="module")
def connection(
    entries: list[DecisionRecord], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("ledger") / "line.ledger"
    with Ledger.open(path) as ledger:
        ledger.append_all(entries)
        fails = [one.trigger for one in entries if one.decision is Decision.FAIL]
        for trigger, mark in ((fails[0], "good"), (fails[1], "good"), (fails[2], "bad"), ("t2", "bad")):
            ledger.note(Change("mark", "left", trigger, None, mark, "page"))
        ledger.note(Change("trigger", "left", "t1", None, "p1", "page"))
        ledger.note(Change("limit", "left", "tiny", "11.0", "12.0", "page"))
        ledger.note(Change("running", "left", None, "true", "false", "page"))
        with closing(connect_to_read(path)) as made:
            yield made


@pytest.fixture(scope="module")
def all_of_it(connection: sqlite3.Connection) -> ProductionFigures:
    return compute_figures(connection, START, 2**62)


def test_the_counts(
    entries: list[DecisionRecord], all_of_it: ProductionFigures, connection: sqlite3.Connection
) -> None:
    assert all_of_it.cameras == ["left", "right"]
    assert all_of_it.count() == Counter(one.decision for one in entries)
    for camera in ("left", "right"):
        assert all_of_it.count(camera) == Counter(one.decision for one in entries if one.camera == camera)
    hours: Counter[int] = Counter()
    for group in all_of_it.groups:
        hours[group.hour] += group.parts
        assert (group.category, group.threshold, group.fail_above) == ("pill", 12.0, 12.0)
    assert hours == Counter(one.decided_at // HOUR for one in entries)
    since, until = START + 700 * SECOND, START + 4321 * SECOND
    part = compute_figures(connection, since, until)
    assert part.count() == Counter(one.decision for one in entries if since <= one.decided_at < until)


def test_where_the_faults_lie(entries: list[DecisionRecord], all_of_it: ProductionFigures) -> None:
    for camera in ("left", "right"):
        faults = [one for one in entries if one.camera == camera and one.decision is Decision.FAIL]
        xs, ys = [one.x for one in faults], [one.y for one in faults]
        counts = np.histogram2d(ys, xs, bins=GRID, range=[[0, 1], [0, 1]])[0]
        found = np.zeros((GRID, GRID))
        for (row, column), count in all_of_it.regions[camera].items():
            found[row, column] = count
        np.testing.assert_array_equal(found, counts)
        assert counts.sum() > 100


def test_why_parts_were_invalid(entries: list[DecisionRecord], all_of_it: ProductionFigures) -> None:
    expected = Counter(
        (one.camera, find_kind(one.reason)) for one in entries if one.decision is Decision.INVALID
    )
    assert {(reason.camera, reason.kind): reason.parts for reason in all_of_it.reasons} == expected
    assert {reason.kind for reason in all_of_it.reasons} == {"camera", "late"}
    assert [reason.parts for reason in all_of_it.reasons] == sorted(expected.values(), reverse=True)
    assert all(find_kind(reason.example) == reason.kind for reason in all_of_it.reasons)


def test_when_it_stood(connection: sqlite3.Connection) -> None:
    until = START + 7200 * SECOND
    figures = compute_figures(connection, START - 600 * SECOND, until)
    stops = [
        (stop.camera, (stop.begin - START) / SECOND, stop.seconds, stop.faults) for stop in figures.stops
    ]
    assert stops == [
        ("left", -600.0, 600.5, 0),
        ("right", -600.0, 600.5, 0),
        ("right", 500.0, 19.5, 20),
        ("left", 999.5, 62.0, 0),
        ("right", 3000.0, 599.5, 600),
        ("left", 3999.5, 301.0, 0),
    ]
    assert {stop.why for stop in figures.stops if not stop.faults} == {"no part was decided on"}
    assert figures.stops[2].why == CAMERA.format(0)


def test_the_worst_and_what_was_said_of_them(
    entries: list[DecisionRecord], all_of_it: ProductionFigures
) -> None:
    fails = sorted((one.score or 0 for one in entries if one.decision is Decision.FAIL), reverse=True)
    assert [part.row.record.score for part in all_of_it.worst] == fails[:12]
    assert all_of_it.marked == {
        (Decision.FAIL, "good"): 2, (Decision.FAIL, "bad"): 1, (entries[1].decision, "bad"): 1,
    }  # fmt: skip
    assert [note.change.kind for note in all_of_it.notes] == ["limit", "running"]


def test_what_is_left_out_is_counted(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_module, "_LISTED", 1)
    begin, end = START - 600 * SECOND, START + 7200 * SECOND
    figures = compute_figures(connection, begin, end)
    assert ([stop.camera for stop in figures.stops], figures.stops_omitted) == (["left"], 5)
    assert (figures.notes, figures.notes_omitted) == ([], 0)
    noted = compute_figures(connection, begin, 2**62)
    assert ([note.change.kind for note in noted.notes], noted.notes_omitted) == (["limit"], 1)


def test_a_time_without_parts(connection: sqlite3.Connection, tmp_path: Path) -> None:
    for since, until in ((0, START - HOUR), (START + 9 * HOUR, 2**62), (5, 5), (START, 0)):
        figures = compute_figures(connection, since, until)
        assert (figures.groups, figures.stops, figures.worst, figures.reasons) == ([], [], [], [])
    with Ledger.open(tmp_path / "empty"), closing(connect_to_read(tmp_path / "empty")) as empty:
        assert compute_figures(empty, 0, 2**62).groups == []


def test_too_many_rows_are_refused(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_module, "MOST", 5_000)
    with pytest.raises(UsageError, match="takes 5000 at most"):
        compute_figures(connection, 0, 2**62)
    assert compute_figures(connection, 0, START + 60 * SECOND).count().total() == 120
