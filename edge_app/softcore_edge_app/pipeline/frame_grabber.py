"""Frame grabber: takes a frame for each trigger, of a camera the first that shows its moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from softcore_edge_app.cameras.frame_source import Frame, FrameSource
from softcore_edge_app.pipeline.trigger import Trigger

__all__ = ["open_grabber"]

TakeFrame = Callable[[Trigger], Frame]


@contextmanager
def open_grabber(source: FrameSource) -> Iterator[TakeFrame]:
    """Open a source, and give a function that returns the frame of a trigger: see `FrameSource.take`.

    Raises:
        SourceError: the source can't be opened, or a recording fails midway.
    """

    def take(trigger: Trigger) -> Frame:
        until = float("inf") if trigger.deadline is None else trigger.deadline
        return source.take(trigger.number, trigger.at, until)

    source.open()
    try:
        yield take
    finally:
        source.close()
