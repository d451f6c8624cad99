from __future__ import annotations

import pytest
from softcore_edge_app.outputs import tally
from softcore_edge_app.outputs.tally import Tally
from softcore_runtime import Decision

from ..records import make_record


def fill(*milliseconds: float | None) -> Tally:
    """A tally of frames that took so long; None is an INVALID one, above 100 a FAIL."""
    filled = Tally()
    for number, took in enumerate(milliseconds, 1):
        decision = Decision.INVALID if took is None else Decision.FAIL if took > 100 else Decision.PASS
        filled.add(make_record(number, decision=decision, score=took, milliseconds=took))
    return filled


def test_decisions_are_counted() -> None:
    counted = fill(1, 2, None, 101, None, None)
    assert [counted.count(decision) for decision in (Decision.PASS, Decision.FAIL, Decision.INVALID)] == [
        2,
        1,
        3,
    ]
    assert (counted.total, counted.decided) == (6, 3)


def test_percentiles_are_times_that_occurred() -> None:
    counted = fill(*range(1, 101))
    assert counted.percentile(50) == 51
    assert counted.percentile(95) == 96


def test_the_summary_gives_counts_latencies_and_pace() -> None:
    counts, pace = fill(3, 1, 2, 400, None).describe(seconds=2)
    assert counts == "5 frames: 3 PASS, 1 FAIL, 1 INVALID"
    assert "3.0 ms (p50), 400.0 ms (p95), 400.0 ms (max); 2.5 frames/s" in pace


def test_without_a_decision_there_is_no_latency() -> None:
    assert fill(None).describe(seconds=1) == ["1 frame: 0 PASS, 0 FAIL, 1 INVALID"]


def test_old_latencies_are_forgotten_but_not_the_slowest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "_KEPT", 10)
    counted = fill(900, *[1] * 10)
    assert counted.total == 11
    assert counted.percentile(100) == 1
    assert "900.0 ms (max)" in counted.describe(seconds=1)[1]
