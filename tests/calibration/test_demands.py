from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from softcore_calibration.demands import demand_enough, demand_good, find_shortfalls
from softcore_calibration.objective import Objective
from softcore_runtime.errors import DataError, UsageError

BAND = Objective("band", {"overkill": 0.01, "escape": 0.02})


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 400), st.sampled_from([0.001, 0.01, 0.05]), st.sampled_from([None, 0.9, 0.95]))
def test_what_is_advised_is_enough(parts: int, share: float, confidence: float | None) -> None:
    for kind, good, bad in (("overkill", parts, 0), ("escape", 0, parts)):
        for lack in find_shortfalls(Objective(kind, {"share": share}, confidence), good, bad):
            assert (lack.parts, lack.share) == (parts, share)
            more = (lack.needed, 0) if kind == "overkill" else (0, lack.needed)
            assert find_shortfalls(Objective(kind, {"share": share}, confidence), *more) == []
            if lack.possible is not None:
                possible = float(repr(lack.possible))  # as it is printed
                assert find_shortfalls(Objective(kind, {"share": possible}, confidence), good, bad) == []


def test_both_promises_of_a_band_are_told() -> None:
    with pytest.raises(DataError) as caught:
        demand_enough(BAND, 30, 5, rewrite=str)
    assert str(caught.value) == (
        "30 good images can't carry --max-overkill 0.01 (99 can); add 69 more; "
        "5 bad images can't carry --max-escape 0.02 (49 can); add 44 more, "
        "or run: {'--max-overkill': '0.033', '--max-escape': '0.167'}"
    )
    with pytest.raises(DataError, match=r"or ask for --max-overkill 0\.033 and --max-escape 0\.167$"):
        demand_enough(BAND, 30, 5)


def test_large_numbers_are_read_easily() -> None:
    with pytest.raises(
        DataError, match=r"^1,500 good images can't carry --max-overkill 0\.0001 \(9,999 can\); add 8,499"
    ):
        demand_enough(Objective("overkill", {"share": 0.0001}), 1500, 0)


def test_what_is_not_known_yet_is_not_refused() -> None:
    demand_enough(BAND, None, None)
    demand_enough(Objective("f1", {}), None, None)
    with pytest.raises(DataError, match=r"^5 bad images"):
        demand_enough(BAND, None, 5)


@pytest.mark.parametrize("kind", ["f1", "youden", "cost", "percentile"])
def test_kinds_that_are_needed(kind: str) -> None:
    with pytest.raises(
        UsageError, match="needs good images; give some with --good, or both kinds with --data"
    ):
        demand_enough(Objective(kind, {}), 0, 9)
    if kind != "percentile":
        with pytest.raises(UsageError, match="needs bad images; give some with --bad"):
            demand_enough(Objective(kind, {}), 9, 0)
    demand_enough(Objective(kind, {}), 1, 1)


def test_a_value_needs_nobody() -> None:
    demand_enough(Objective("value", {"value": 3.0}), 0, 0)


def test_training_images_stand_in_only_for_alike_scores() -> None:
    demand_good(masked=False, min_area=None)
    for masked, area in ((True, None), (False, 20)):
        with pytest.raises(DataError, match="so good images are needed"):
            demand_good(masked=masked, min_area=area)
    with pytest.raises(
        DataError, match=r"^12 training images can't carry .* \(99 can\); give 99 with --good, or ask"
    ):
        demand_enough(Objective(), 12, 0, stand_in=True)
