from __future__ import annotations

from collections.abc import Iterator

import pytest
from softcore_export.progress import end_bars, hide_bars, track


def test_items_pass_through_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = []

    def draw() -> Iterator[int]:
        for number in range(5):
            drawn.append(number)
            yield number

    passed = []
    for number in track(draw(), "counting", total=5):
        passed.append(number)
        assert drawn == passed  # never ahead
    out, err = capsys.readouterr()
    assert passed == [0, 1, 2, 3, 4]
    assert out == ""  # standard output is for what was asked for
    assert "counting" in err
    assert "5/5" in err
    assert "100%" in err


def test_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track([], "nothing")) == []
    assert "nothing" in capsys.readouterr().err
    assert list(track(iter([]), "not even a bar", total=0)) == []
    assert capsys.readouterr().err == ""


def test_a_bar_left_in_the_middle_can_be_ended(capsys: pytest.CaptureFixture[str]) -> None:
    bar = track(range(9), "halted")
    next(bar)
    assert not capsys.readouterr().err.endswith("\n")
    end_bars()
    assert capsys.readouterr().err.endswith("\n")
    end_bars()
    assert capsys.readouterr().err == ""
    bar.close()
    assert capsys.readouterr().err == ""


def test_an_error_passes_through(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> Iterator[int]:
        yield 1
        raise ValueError("as it came")

    with pytest.raises(ValueError, match="as it came"):
        list(track(fail(), "failing", total=9))
    assert "1/9" in capsys.readouterr().err


def test_bars_can_be_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    with hide_bars():
        assert list(track(range(3), "inner")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    assert list(track(range(3), "outer")) == [0, 1, 2]
    assert "outer" in capsys.readouterr().err
