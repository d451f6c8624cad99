from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from softcore_edge_app.decisions.invalid_kinds import find_kind
from softcore_edge_app.ledger.layout import TABLES
from softcore_edge_app.ledger.row import COLUMNS
from softcore_edge_app.queries.chart_figures import (
    BIN_WIDTH,
    BINS,
    DAYS_CHARTED,
    ChartFigures,
    Spread,
    compute_charts,
    compute_charts_by_camera,
)
from softcore_edge_app.queries.production_figures import GRID
from softcore_runtime import Decision

SECOND, HOUR = 10**9, 3600 * 10**9
START = 497_000 * HOUR  # a full hour
REASONS = ("late: 1.2 s", "late: 3.4 s", "too dark (3)", "no new frame for 2 s", "")
EMPTY = dict.fromkeys(COLUMNS, "")


@contextmanager
def open_rows(rows: list[dict[str, Any]]) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(TABLES["rows"])
        values = [[{**EMPTY, "corrects": None, **row}[name] for name in COLUMNS] for row in rows]
        connection.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(COLUMNS))})", values)  # noqa: S608
        yield connection


def make_row(number: int, decided: int, **fields: Any) -> dict[str, Any]:
    return {
        "number": number, "camera": "left", "decision": "PASS", "score": 6.0, "threshold": 12.0,
        "fail_above": 12.0, "triggered_at": decided - SECOND, "decided_at": decided, "x": 0.5, "y": 0.5,
        "reason": None, **fields,
    }  # fmt: skip


@st.composite
def make_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    rows, now = [], START
    for number in range(1, draw(st.integers(1, 40)) + 1):
        now += draw(st.integers(0, HOUR // 4))
        decision = draw(st.sampled_from(["PASS", "REVIEW", "FAIL", "INVALID"]))
        valid = decision != "INVALID"
        place = st.none() | st.floats(0, 1)
        rows.append(
            make_row(
                number,
                now,
                camera=draw(st.sampled_from(["left", "right"])),
                decision=decision,
                score=draw(st.floats(0, 40)) if valid else None,
                triggered_at=now - draw(st.integers(-SECOND, 5 * SECOND)),  # also of a clock that was set
                x=draw(place) if valid else None,
                y=draw(place) if valid else None,
                reason=None if valid else draw(st.sampled_from(REASONS)),
                corrects=draw(st.none() | st.integers(1, number)) if number > 1 else None,
            )
        )
    return rows


def find_spread(values: pd.Series[float]) -> Spread | None:
    some = values[values >= 0]
    if some.empty:
        return None
    ranks = [np.quantile(some, share, method="inverted_cdf") for share in (0.5, 0.95)]
    return Spread(*(float(one) / SECOND for one in ranks))


@settings(max_examples=150, deadline=None)
@given(make_rows(), st.sampled_from([None, "left", "right"]), st.integers(-1, 20), st.integers(-1, 40))
def test_the_figures_are_those_of_pandas(
    rows: list[dict[str, Any]], camera: str | None, after: int, before: int
) -> None:
    since, until = START + after * HOUR // 4, START + before * HOUR // 4
    with open_rows(rows) as connection:
        found = compute_charts(connection, since, until, camera)
        by_camera = compute_charts_by_camera(connection, since, until)
        alone = {one: compute_charts(connection, since, until, one) for one in ("left", "right")}
    assert by_camera == {one: figures for one, figures in alone.items() if figures.hours}

    frame = pd.DataFrame(rows)
    frame = frame[~frame.number.isin(frame.corrects.dropna())]
    frame = frame[(frame.decided_at >= since) & (frame.decided_at < until)]
    frame = (frame[frame.camera == camera] if camera else frame).copy()
    hour = frame.decided_at // HOUR * HOUR
    expected = Counter(zip(hour, frame.decision, strict=True))
    assert Counter({(one.begin, str(d)): n for one in found.hours for d, n in one.counts.items()}) == expected
    assert found.counts == Counter(Decision(one) for one in frame.decision)
    assert [one.begin for one in found.hours] == sorted(hour.unique())
    # Counted from 1970, a difference of pandas, which is a float, would lose nanoseconds.
    frame["triggered_at"] -= START
    frame["decided_at"] -= START
    in_order = frame.sort_values(["triggered_at", "number"])
    between = in_order.groupby("camera").triggered_at.diff().reindex(frame.index)
    taken = frame.decided_at - frame.triggered_at
    for one in found.hours:
        assert one.between == find_spread(between[hour == one.begin])
        assert one.taken == find_spread(taken[hour == one.begin])
    scored = frame.dropna(subset="score")
    shares = np.asarray(scored.score.astype(float) / 12.0)
    bins = np.clip(np.ceil(shares * round(1 / BIN_WIDTH)) - 1, 0, BINS - 1).astype(int)
    assert found.scores == Counter(
        (int(place), Decision(one)) for place, one in zip(bins, scored.decision, strict=True)
    )
    faults = frame[frame.decision.isin(["FAIL", "REVIEW"])].dropna(subset=["x", "y"])
    ys, xs = (faults[name].astype(float).to_numpy() for name in ("y", "x"))
    fields = np.histogram2d(ys, xs, bins=GRID, range=[[0, 1], [0, 1]])[0]
    assert sum(found.fields.values()) == fields.sum()
    near = [(y, x) for y, x in found.fields if fields[y, x] != found.fields[y, x]]
    # NumPy compares with the edges of fields, which differ from their products by rounding.
    edges = {round(value * GRID, 9) % 1 for value in (*ys, *xs)}
    assert not near or 0.0 in edges
    kinds = Counter(find_kind(reason) for reason in frame.reason.dropna())
    assert dict(found.reasons) == kinds
    assert [n for _, n in found.reasons] == sorted(kinds.values(), reverse=True)


def chart(rows: list[dict[str, Any]], since: int, until: int, **options: int) -> ChartFigures:
    with open_rows(rows) as connection:
        return compute_charts(connection, since, until, **options)


def test_of_too_many_rows_the_last_ones_count() -> None:
    rows = [make_row(number, START + number * SECOND) for number in range(1, 101)]
    whole = chart(rows, START, START + HOUR)
    assert (whole.whole, whole.since, whole.counts.total()) == (True, START, 100)
    cut = chart(rows, START, START + HOUR, most=30)
    assert (cut.whole, cut.since, cut.counts.total()) == (False, START + 71 * SECOND, 30)


def test_of_a_long_time_the_last_days_count() -> None:
    day = 24 * HOUR
    rows = [make_row(number, START + number * day) for number in range(1, 101)]
    found = chart(rows, 0, START + 100 * day + 1)
    assert not found.whole
    assert len(found.hours) == DAYS_CHARTED
    assert found.since == START + 100 * day + 1 - DAYS_CHARTED * day


def test_a_score_that_is_the_threshold_passes_and_zero_thresholds_have_no_share() -> None:
    rows = [make_row(1, START, score=12.0), make_row(2, START, score=12.001), make_row(3, START, score=240.0)]
    rows.append(make_row(4, START, threshold=0.0))
    scores = chart(rows, START, START + 1).scores
    assert scores == {(19, Decision.PASS): 1, (20, Decision.PASS): 1, (BINS - 1, Decision.PASS): 1}


@pytest.mark.parametrize(("n", "median", "p95"), [(1, 1, 1), (2, 1, 2), (20, 10, 19), (21, 11, 20)])
def test_a_percentile_is_a_value_that_was_measured(n: int, median: int, p95: int) -> None:
    rows = [
        make_row(k, START + HOUR // 2, triggered_at=START + HOUR // 2 - k * SECOND) for k in range(1, n + 1)
    ]
    (hour,) = chart(rows, START, START + HOUR).hours
    assert hour.taken == Spread(median, p95)
