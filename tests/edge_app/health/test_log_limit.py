from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest
from softcore_edge_app.health import log_limit as module
from softcore_edge_app.health import logs
from softcore_edge_app.health.log_limit import LogLimit, count_left_out


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def say(clock: Clock) -> Callable[..., int | None]:
    """Say a line; gives how many were left out before it, None where it is left out."""
    limit = LogLimit(clock)

    def say(message: str, *values: object, name: str = "asyncio", level: int = logging.WARNING) -> int | None:
        record = logging.LogRecord(name, level, "x.py", 1, message, values, None)
        return count_left_out(record) if limit.filter(record) else None

    return say


def test_a_line_that_repeats_is_said_once_a_minute(say: Callable[..., int | None], clock: Clock) -> None:
    told = [say("socket.accept() out of system resource, fd=%d", number) for number in range(10_000)]
    assert told == [0] * 10 + [None] * 9990
    assert say("something else") == 0
    assert say("socket.accept() out of system resource, fd=%d", 1, name="other") == 0
    clock.now += 61
    assert [say("socket.accept() out of system resource, fd=7") for _ in range(2)] == [0, 0]  # another place
    assert [say("socket.accept() out of system resource, fd=%d", 7) for _ in range(3)] == [9990, None, None]
    clock.now += 3600
    assert [say("socket.accept() out of system resource, fd=%d", 7) for _ in range(11)] == [2, *[0] * 9, None]


def test_a_day_of_a_line_every_second_is_a_few_lines_an_hour(
    say: Callable[..., int | None], clock: Clock
) -> None:
    passed = left_out = 0
    for _ in range(24 * 3600):
        clock.now += 1
        count = say("%s: is silent", "left")
        passed += count is not None
        left_out += count or 0
    assert passed == pytest.approx(10 + 24 * 60, abs=2)
    assert passed + left_out == pytest.approx(24 * 3600, abs=60)


def test_one_that_repeats_does_not_hide_another(say: Callable[..., int | None]) -> None:
    for _ in range(1000):
        say("%s: is silent", "left")
    assert say("%s: is silent", "right") == 0


def test_lines_of_one_place_are_limited_whatever_they_name(
    say: Callable[..., int | None], clock: Clock
) -> None:
    names = ["".join(chr(ord("a") + int(digit)) for digit in str(number)) for number in range(5000)]
    told = [say("internal error on trigger %s", name) for name in names]
    assert sum(one is not None for one in told) == 60
    clock.now += 6.1
    assert say("internal error on trigger %s", "next") == 4940


def test_it_remembers_only_so_much(clock: Clock) -> None:
    limit = LogLimit(clock)
    for number in range(3 * module._REMEMBERED):
        limit.filter(logging.LogRecord("x", 30, "x.py", 1, f"{'x' * (number % 400)}{number:x}", (), None))
    assert len(limit._budgets) <= module._REMEMBERED


def test_a_message_that_does_not_fit_its_values_passes(say: Callable[..., int | None]) -> None:
    assert say("%d and %d", "a") == 0


@pytest.fixture
def _text_again() -> Iterator[None]:
    yield
    logs.configure_logs("text")


@pytest.mark.usefixtures("_text_again")
@pytest.mark.parametrize("form", ["text", "json"])
def test_the_log_says_how_many_were_left_out(
    form: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(logs._LIMIT, "_clock", clock)
    logs.configure_logs(form)  # type: ignore[arg-type]
    for name in ("softcore_edge_app.line", "asyncio"):
        for number in range(30):
            logging.getLogger(name).warning("no descriptor is left for %d", number)
        clock.now += 61
        logging.getLogger(name).warning("no descriptor is left for %d", 30)
    own, foreign = (lambda lines: (lines[:11], lines[11:]))(capsys.readouterr().err.splitlines())
    if form == "text":
        assert own[-1] == (
            "softcore-edge: warning: no descriptor is left for 30 (20 more like it were left out)"
        )
        assert foreign[-1].endswith("asyncio: no descriptor is left for 30 (20 more like it were left out)")
    else:
        assert [json.loads(line).get("left_out") for line in own] == [None] * 10 + [20]
        assert json.loads(foreign[-1])["left_out"] == 20
    assert (len(own), len(foreign)) == (11, 11)
