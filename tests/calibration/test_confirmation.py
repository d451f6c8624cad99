from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softcore_calibration.confirmation import FACTOR, confirm, describe_jump
from softcore_runtime import UsageError
from softcore_runtime.bundle.threshold import Threshold

VALUES = st.floats(1e-3, 1e3)


def make(value: float, fail_above: float | None = None, min_area: int | None = None) -> Threshold:
    return Threshold(value=value, provisional=False, method="", fail_above=fail_above, min_area=min_area)


@given(VALUES, VALUES)
def test_a_change_beyond_the_factor_is_told_up_and_down(old: float, new: float) -> None:
    said = describe_jump(make(old), make(new))
    if FACTOR * old < new or FACTOR * new < old:
        way = "rise" if new > old else "fall"
        factor = max(new / old, old / new)
        assert said == f"the threshold would {way} from {old:.6g} to {new:.6g}, by a factor of {factor:.3g}"
    else:
        assert said is None


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (make(1.044), make(0.519), "the threshold would fall from 1.044 to 0.519, by a factor of 2.01"),
        (make(1), make(1.4), None),
        (make(1, 1.2), make(1.4, 1.9), "the threshold would rise from 1.2 to 1.9, by a factor of 1.58"),
        (make(1), make(0.8, 2), "the threshold would rise from 1 to 2, by a factor of 2"),
        (make(1), make(0.2, min_area=20), None),  # scores of areas are others
        (
            make(1, min_area=20),
            make(0.2, min_area=20),
            "the threshold would fall from 1 to 0.2, by a factor of 5",
        ),
    ],
)
def test_the_grey_zone_counts_and_areas_are_not_compared_with_patches(
    before: Threshold, after: Threshold, said: str | None
) -> None:
    assert describe_jump(before, after) == said


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "agrees"), [("y\n", True), (" YES \n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_a_person_at_the_terminal_is_asked(
    monkeypatch: pytest.MonkeyPatch, answer: str, agrees: bool
) -> None:
    said = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", said)
    if agrees:
        confirm(Path("pill"), "the threshold would fall")
    else:
        with pytest.raises(UsageError) as caught:
            confirm(Path("pill"), "the threshold would fall")
        assert str(caught.value) == (
            "pill: the threshold would fall; nothing was changed, for the answer was not yes"
        )
    assert said.getvalue() == "pill: the threshold would fall. Set it? [y/N] "


@pytest.mark.parametrize(("stdin", "stderr"), [(None, Terminal()), (Terminal("y"), io.StringIO())])
def test_nobody_is_asked_where_nobody_can_answer(
    monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None, stderr: io.StringIO
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(sys, "stderr", stderr)
    with pytest.raises(UsageError, match="repeat the command with --yes; nothing was changed"):
        confirm(Path("pill"), "the threshold would fall")
    assert stderr.getvalue() == ""
