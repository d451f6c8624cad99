"""Progress: how far a long stage is: a bar on a terminal, elsewhere a line for each stage when it ends."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["describe_seconds", "end_bars", "hide_bars", "print_message", "track"]

_Item = TypeVar("_Item")

_LAYOUT = "{desc:<22}{percentage:3.0f}% |{bar:24}| {n_fmt}/{total_fmt}, {elapsed} spent, {remaining} left"
_UNKNOWN = (100, 20)  # columns and rows of a terminal that reports none, as in some containers
_REDRAWN = 0.2  # seconds between two updates of a bar
_FIRST = 5.0  # seconds after which the time of a stage is estimated
_LONG = 30.0  # shortest estimate, in seconds, that is printed


class _Display(Protocol):
    def advance(self) -> None: ...

    def make_room(self) -> contextlib.AbstractContextManager[None]: ...

    def finish(self, *, whole: bool) -> None: ...


_running: list[_Display] = []
_hidden: ContextVar[bool] = ContextVar("hidden", default=False)


def track(
    items: Iterable[_Item], stage: str, total: int | None = None, *, prints: bool = False
) -> Iterator[_Item]:
    """Yield the items while standard error shows how many of a stage are done and how long the rest takes.

    Args:
        items: what the stage works on; none is drawn ahead.
        stage: name of the stage.
        total: number of items, if `items` has no length; with 0 nothing is shown.
        prints: whether the caller prints lines in between, for which a bar makes room.

    Example:
        >>> sum(track([1, 2, 3], "adding"))
        6
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if _hidden.get() or total == 0:
        yield from items
        return
    display = _choose_display(stage, total)
    _running.append(display)
    whole = False
    try:
        for item in items:
            with display.make_room() if prints else contextlib.nullcontext():
                yield item
            display.advance()
        whole = True
    finally:
        if display in _running:
            _running.remove(display)
        display.finish(whole=whole)


@contextlib.contextmanager
def hide_bars() -> Iterator[None]:
    """Show no bars and messages inside the block, since its caller shows a bar of its own.

    Example:
        >>> with hide_bars():
        ...     sum(track([1, 2, 3], "adding"))
        6
    """
    token = _hidden.set(True)
    try:
        yield
    finally:
        _hidden.reset(token)


def end_bars() -> None:
    """End the stages that an error has left, so that the error is printed on a line of its own.

    Example:
        >>> end_bars()
    """
    while _running:
        _running.pop().finish(whole=False)


def print_message(line: str) -> None:
    """Print a line on standard error, above the bars; nothing inside `hide_bars`.

    Example:
        >>> print_message("12 images in DATASETS/pill")
    """
    if _hidden.get():
        return
    with contextlib.ExitStack() as room:
        for display in _running:
            room.enter_context(display.make_room())
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def describe_seconds(seconds: float) -> str:
    """Return an estimated time in words, no more exact than an estimate is.

    Example:
        >>> [describe_seconds(some) for some in (41, 100, 540, 5000, 9000)]
        ['50 seconds', '2 minutes', '9 minutes', '1.4 hours', '3 hours']
    """
    if seconds < 55:
        return f"{10 * max(1, -int(-seconds // 10))} seconds"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} minute{'' if minutes == 1 else 's'}"
    hours = seconds / 3600
    return f"{hours:.1f} hours" if hours < 2.5 else f"{-int(-hours // 1)} hours"


class _Bar:
    """A bar of tqdm, for a terminal."""

    def __init__(self, bar: tqdm[Any]) -> None:
        self._bar = bar
        self._away = False

    def advance(self) -> None:
        self._bar.update()

    @contextlib.contextmanager
    def make_room(self) -> Iterator[None]:
        if self._away:
            yield
            return
        self._away = True
        try:
            with self._bar.external_write_mode(file=sys.stderr):
                yield
        finally:
            self._away = False

    def finish(self, *, whole: bool) -> None:
        if whole:
            self._bar.refresh()
        self._bar.close()


class _Line:
    """A line at the end of the stage, for a file or a pipe; before it an estimate, if the stage is long."""

    def __init__(self, stage: str, total: int | None) -> None:
        self._stage, self._total = stage, total
        self._done = 0
        self._start = time.monotonic()
        self._estimated = total is None
        self._finished = False

    def advance(self) -> None:
        self._done += 1
        if self._estimated or self._total is None:
            return
        spent = time.monotonic() - self._start
        if spent >= _FIRST:
            self._estimated = True
            expected = spent * self._total / self._done
            if expected >= _LONG:
                self._write(f"{self._total:,} take about {describe_seconds(expected)}")

    def make_room(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def finish(self, *, whole: bool) -> None:
        if self._finished:
            return
        self._finished = True
        spent = f"{time.monotonic() - self._start:.1f} s"
        done = (
            f"{self._done:,}" if self._total in (None, self._done) else f"{self._done:,} of {self._total:,}"
        )
        self._write(f"{done} in {spent}" if whole else f"stopped after {done} and {spent}")

    def _write(self, words: str) -> None:
        sys.stderr.write(f"{self._stage:<22}{words}\n")
        sys.stderr.flush()


def _choose_display(stage: str, total: int | None) -> _Display:
    if sys.stderr.isatty():
        with contextlib.suppress(ImportError):  # without tqdm there is a line for each stage
            from tqdm import tqdm

            bar = partial(tqdm, desc=stage, total=total, bar_format=_LAYOUT, mininterval=_REDRAWN)
            if os.get_terminal_size(sys.stderr.fileno()).columns:
                return _Bar(bar())
            return _Bar(bar(ncols=_UNKNOWN[0], nrows=_UNKNOWN[1]))  # without these tqdm would show nothing
    return _Line(stage, total)
