from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softcore_calibration.confirmation import (
    DRASTIC,
    FACTOR,
    compare_rates,
    confirm,
    describe_jump,
    measure_jump,
)
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


def test_rates_are_compared_by_what_both_thresholds_decide() -> None:
    good, bad = [0.5, 1.5, 2.5, 3.5], [2.0, 5.0]
    assert compare_rates(make(4), make(1), good, bad) == (
        "of 4 good images 3 would fail (0 do now), of 2 bad images 0 would pass (1 does now)"
    )
    assert compare_rates(make(1), make(1, 3), good, []) == "of 4 good images 1 would fail (3 do now)"
    assert compare_rates(make(1), make(2), [], bad) == "of 2 bad images 1 would pass (0 do now)"
    assert compare_rates(make(1), make(2), [], []) == ""


@given(VALUES, VALUES)
def test_half_and_twice_are_drastic(old: float, new: float) -> None:
    assert (measure_jump(make(old), make(new)) >= DRASTIC) == (new / old >= 2 or old / new >= 2)
    assert measure_jump(make(old), make(new, min_area=5)) == 1


JUMP = "the threshold would fall"


@pytest.mark.parametrize(
    ("answers", "drastic", "agrees"),
    [
        ("y\n", False, True), (" YES \n", False, True), ("n\n", False, False), ("\n", False, False),
        ("", False, False), ("y\ny\n", True, True), ("y\n", True, False), ("y\nn\n", True, False),
        ("n\ny\n", True, False),
    ],
)  # fmt: skip
def test_a_person_at_the_terminal_is_asked_and_twice_where_it_is_drastic(
    monkeypatch: pytest.MonkeyPatch, answers: str, drastic: bool, agrees: bool
) -> None:
    said = Terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdin", Terminal(answers))
    monkeypatch.setattr(sys, "stderr", said)
    if agrees:
        confirm(Path("pill"), JUMP, "of 3 good images all", drastic=drastic)
    else:
        with pytest.raises(UsageError) as caught:
            confirm(Path("pill"), JUMP, "of 3 good images all", drastic=drastic)
        assert str(caught.value) == (
            "pill: the threshold would fall; nothing was changed, for the answer was not yes"
        )
    first, second = "pill: the threshold would fall; of 3 good images all. Set it? [y/N] ", "Really? [y/N] "
    again = drastic and answers.startswith("y")
    assert said.getvalue() == (first + second if again else first)


def test_what_is_drastic_is_asked_in_red(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Terminal()
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdin", Terminal("y\ny\n"))
    monkeypatch.setattr(sys, "stderr", said)
    confirm(Path("pill"), JUMP, "", drastic=True)
    assert said.getvalue() == (
        "\x1b[1;31mpill: the threshold would fall. Set it?\x1b[0m [y/N] \x1b[1;31mReally?\x1b[0m [y/N] "
    )


@pytest.mark.parametrize(("stdin", "stderr"), [(None, Terminal()), (Terminal("y"), io.StringIO())])
def test_nobody_is_asked_where_nobody_can_answer(
    monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None, stderr: io.StringIO
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(sys, "stderr", stderr)
    with pytest.raises(UsageError, match="repeat the command with --accept; nothing was changed"):
        confirm(Path("pill"), JUMP, "", drastic=False)
    assert stderr.getvalue() == ""
