from __future__ import annotations

import os
import re
import select
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from softcore_runtime.cli import progress
from softcore_runtime.cli.progress import describe_seconds, end_bars, hide_bars, print_message, track

Capture = pytest.CaptureFixture[str]
Read = Callable[[], str]
Open = Callable[[], Read]


@pytest.fixture
def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """A function that makes a terminal of standard error, and gives one that reads what came out on it."""
    try:
        master, slave = os.openpty()
    except OSError as error:
        pytest.skip(f"no pseudoterminal can be opened ({error}); mount -t devpts devpts /dev/pts")

    def read() -> str:
        text = b""
        while select.select([master], [], [], 0.05)[0]:
            text += os.read(master, 65536)
        return text.decode()

    with os.fdopen(slave, "w") as stream:

        def attach() -> Read:
            monkeypatch.setattr(sys, "stderr", stream)
            return read

        yield attach
    os.close(master)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that goes on by itself only when it is told to: `clock.now`, in seconds."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_items_pass_through_one_by_one(capsys: Capture) -> None:
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
    assert re.fullmatch(r"counting              5 in \d\.\d s\n", err)


def test_a_file_gets_one_line_for_each_stage(capsys: Capture, clock: SimpleNamespace) -> None:
    for _ in track(range(2000), "scores"):
        clock.now += 0.001
    for _ in track(iter("abc"), "others"):
        pass
    assert (
        capsys.readouterr().err == "scores                2,000 in 2.0 s\nothers                3 in 0.0 s\n"
    )


def test_a_long_stage_says_early_how_long_it_takes(capsys: Capture, clock: SimpleNamespace) -> None:
    stage = track(range(2000), "scores")
    for _ in range(24):
        next(stage)
        clock.now += 0.27
    said = capsys.readouterr().err
    assert said == "scores                2,000 take about 9 minutes\n"
    stage.close()
    assert capsys.readouterr().err == "scores                stopped after 23 of 2,000 and 6.5 s\n"


def test_a_stage_of_some_seconds_is_not_estimated(capsys: Capture, clock: SimpleNamespace) -> None:
    for _ in track(range(60), "scores"):
        clock.now += 0.27
    assert capsys.readouterr().err == "scores                60 in 16.2 s\n"


def test_nothing_to_do_says_nothing(capsys: Capture) -> None:
    assert list(track([], "nothing")) == []
    assert list(track(iter([]), "nothing", total=0)) == []
    assert capsys.readouterr().err == ""


def test_a_stage_left_in_the_middle_can_be_ended(capsys: Capture) -> None:
    stage = track(range(9), "halted")
    next(stage)
    next(stage)
    assert capsys.readouterr().err == ""
    end_bars()
    assert capsys.readouterr().err == "halted                stopped after 1 of 9 and 0.0 s\n"
    end_bars()
    stage.close()
    assert capsys.readouterr().err == ""


def test_an_error_passes_through(capsys: Capture) -> None:
    def fail() -> Iterator[int]:
        yield 1
        raise ValueError("as it came")

    with pytest.raises(ValueError, match="as it came"):
        list(track(fail(), "failing", total=9))
    assert "stopped after 1 of 9" in capsys.readouterr().err


def test_stages_can_be_hidden(capsys: Capture) -> None:
    with hide_bars():
        assert list(track(range(3), "inner")) == [0, 1, 2]
        print_message("nobody hears it")
    assert capsys.readouterr().err == ""
    assert list(track(range(3), "outer")) == [0, 1, 2]
    print_message("and this")
    assert re.fullmatch(r"outer                 3 in \d\.\d s\nand this\n", capsys.readouterr().err)


def test_a_terminal_gets_a_bar(open_terminal: Open) -> None:
    terminal = open_terminal()
    assert list(track(range(5), "counting")) == [0, 1, 2, 3, 4]
    said = terminal()
    assert said.startswith("\r")
    assert "counting" in said
    assert "100% |" in said.rpartition("\r")[0]
    assert re.search(r"5/5, \d\d:\d\d spent, 00:00 left\r\n$", said)


def test_lines_stand_above_a_bar(open_terminal: Open) -> None:
    terminal = open_terminal()
    for number in track(range(3), "counting", prints=True):
        if number == 1:
            print_message("a line")
            sys.stderr.write("and one of the caller's\n")
    lines = terminal().split("\n")
    text = [line.rstrip("\r").rpartition("\r")[2] for line in lines]
    assert text[:2] == ["a line", "and one of the caller's"]  # each on a line from which the bar was taken
    assert "3/3" in text[2]


def test_a_bar_left_in_the_middle_can_be_ended(open_terminal: Open) -> None:
    terminal = open_terminal()
    bar = track(range(9), "halted")
    next(bar)
    assert not terminal().endswith("\n")
    end_bars()
    assert terminal().endswith("\n")
    end_bars()
    bar.close()
    assert terminal() == ""


def test_a_terminal_without_tqdm_gets_lines(open_terminal: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal()
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert list(track(range(3), "counting")) == [0, 1, 2]
    assert re.fullmatch(r"counting              3 in \d\.\d s\r\n", terminal())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.1, "10 seconds"),
        (31, "40 seconds"),
        (54.9, "60 seconds"),
        (55, "1 minute"),
        (89, "1 minute"),
        (91, "2 minutes"),
        (3550, "59 minutes"),
        (3599, "1.0 hours"),
        (8000, "2.2 hours"),
        (9001, "3 hours"),
    ],
)
def test_estimates_are_not_more_exact_than_they_are(seconds: float, words: str) -> None:
    assert describe_seconds(seconds) == words
