from __future__ import annotations

import time

import pytest
from softcore_benchmarks.measuring.interleaving import interleave, time_median


def test_subjects_take_turns_and_the_first_round_does_not_count() -> None:
    calls: list[tuple[str, int]] = []

    def first(number: int) -> float:
        calls.append(("first", number))
        return 1000.0 if number == 0 else 2.0 + number

    def second(number: int) -> float:
        calls.append(("second", number))
        return 10.0 * number

    found = interleave({"first": first, "second": second}, 3, {"second": "first"}, pause=0)
    assert calls == [(name, number) for number in range(4) for name in ("first", "second")]
    assert (found["first"].median, found["first"].ratio) == (4.0, 1.0)
    assert (found["second"].median, found["second"].ratio) == (20.0, 5.0)
    assert found["second"].p95 == pytest.approx(29)


def test_who_does_not_time_himself_is_timed() -> None:
    found = interleave({"sleeps": lambda _: time.sleep(0.02)}, 3, {}, pause=0)
    assert found["sleeps"].median >= 20


def test_a_median_leaves_out_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 90.0, 100.0, 101.0, 200.0, 205.0, 300.0, 303.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    calls: list[int] = []
    assert time_median(calls.append, 3, warm_up=1) == 3.0
    assert calls == [-1, 0, 1, 2]
