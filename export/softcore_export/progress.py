"""Progress: one bar with the time left for every long stage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

from tqdm import tqdm

__all__ = ["end_bars", "hide_bars", "track"]

_Item = TypeVar("_Item")
_running: list[tqdm[Any]] = []
_hidden: ContextVar[bool] = ContextVar("hidden", default=False)


def track(items: Iterable[_Item], stage: str, total: int | None = None) -> Iterator[_Item]:
    """Pass `items` on while a bar named `stage` shows how many are done and how long the rest takes.

    Where `total` is 0 there is nothing to show.
    """
    layout = "{desc:<22}{percentage:3.0f}% |{bar:24}| {n_fmt}/{total_fmt}, {elapsed} spent, {remaining} left"
    with tqdm(
        items,
        desc=stage,
        total=total,
        bar_format=layout,
        mininterval=0.2,
        disable=_hidden.get() or total == 0,
    ) as bar:
        _running.append(bar)
        try:
            yield from bar
        finally:
            _running.remove(bar)


@contextlib.contextmanager
def hide_bars() -> Iterator[None]:
    """Show no bars in a block whose caller shows one of its own."""
    token = _hidden.set(True)
    try:
        yield
    finally:
        _hidden.reset(token)


def end_bars() -> None:
    """End the lines of bars whose stage was left by an error, so that the error gets a line of its own."""
    for bar in _running:
        bar.close()
