"""Frame grabber: takes a frame for each trigger, of a camera the first that shows its moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial

from softcore_edge_app.cameras.live_capture import LiveCapture
from softcore_edge_app.cameras.sources import Frame, Source
from softcore_edge_app.pipeline.trigger import Trigger

__all__ = ["open_grabber"]

Take = Callable[[Trigger], Frame]


@contextmanager
def open_grabber(source: Source) -> Iterator[Take]:
    """Open a source, and give what takes its frames; of a recording each trigger gets the next one.

    Raises:
        SourceError: the source can't be opened, or a recording fails midway.
    """
    if isinstance(source, LiveCapture) and source.open():
        try:
            yield partial(_grab, source)
        finally:
            source.close()
    else:
        with closing(source.read_frames()) as frames:
            yield partial(_read_next, frames)


def _grab(camera: LiveCapture, trigger: Trigger) -> Frame:
    until = float("inf") if trigger.deadline is None else trigger.deadline
    return camera.take(trigger.number, trigger.at, until)


def _read_next(frames: Iterator[Frame], trigger: Trigger) -> Frame:
    frame = next(frames, None)
    if frame is None:
        return Frame(trigger.number, f"#{trigger.number}", reason="the recording has come to its end")
    return frame
