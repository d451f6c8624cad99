"""What raised an alarm is read back from the ledger's note as it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softcore_edge_app.alarms.alarm_reading import AlarmReading

COUNTS = st.builds(
    AlarmReading,
    st.sampled_from(["FAIL", "REVIEW", "INVALID", "FAIL+INVALID"]),
    st.integers(1, 10_000),
    st.integers(1, 10_000),
    of_shift=st.booleans(),
)
JUMPS = st.builds(
    lambda watched, permille: AlarmReading(watched, change=permille / 1000),
    st.sampled_from(["brightness", "sharpness"]),
    st.integers(-999, 9999),
)


@given(COUNTS | JUMPS)
def test_a_reading_is_read_as_it_was_written(reading: AlarmReading) -> None:
    assert AlarmReading.parse(reading.dump()).dump() == reading.dump()
    if reading.change is None:
        assert AlarmReading.parse(reading.dump()) == reading
    else:
        assert AlarmReading.parse(reading.dump()).change == pytest.approx(reading.change)


@pytest.mark.parametrize("text", ["", "FAIL", "FAIL 3", "brightness 3%", "FAIL 3/x"])
def test_what_is_no_reading_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no reading of an alarm"):
        AlarmReading.parse(text)


def test_it_is_told_in_plain_words() -> None:
    assert str(AlarmReading("FAIL+INVALID", 3, 4)) == "3 of the last 4 parts are FAIL or INVALID"
    assert str(AlarmReading("FAIL", 3, 40, of_shift=True)) == "3 of the 40 parts of this shift are FAIL"
    assert str(AlarmReading("brightness", change=-0.031)) == (
        "brightness of the images is 3.1 % lower than just before"
    )
