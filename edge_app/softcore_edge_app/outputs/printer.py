"""Printer: a line on standard output for every decision, and its overlay where overlays are saved."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from queue import Empty, Full, Queue

from softcore_edge_app.outputs.overlay_folder import OverlayFolder
from softcore_edge_app.pipeline.trigger import Decided
from softcore_edge_app.verdict import Verdict, format_json, format_line, printable

__all__ = ["Printer"]

_WAITING = 64  # decisions, each with its frame


class Printer:
    """Prints decisions from a thread of its own: who reads them slowly doesn't hold up the line.

    Args:
        json: one JSON object a line, instead of a line for a person.
        colour: whether that has colours.
        overlays: where images go; None saves none.
        lossless: let the line wait for its reader, as a recording can, instead of leaving lines out.
        on_error: called once when nothing can be printed or saved any more.
        cameras: the cameras' names; each line names one where there are several.

    Attributes:
        left_out: how many decisions were not printed.
        error: why nothing can be printed or saved any more, or None.
    """

    def __init__(
        self,
        *,
        json: bool,
        colour: bool,
        overlays: OverlayFolder | None,
        lossless: bool,
        on_error: Callable[[OSError], None],
        cameras: Collection[str] = (),
    ) -> None:
        self.left_out = 0
        self.error: OSError | None = None
        self._json, self._colour, self._overlays = json, colour, overlays
        self._lossless, self._on_error = lossless, on_error
        self._camera_width = max(len(printable(name)) for name in cameras) if len(cameras) > 1 else 0
        self._waiting: Queue[Decided | None] = Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="printer", daemon=True)
        self._thread.start()

    def print(self, decided: Decided) -> None:
        """Print a decision soon."""
        if self.error:
            return
        try:
            self._waiting.put(decided, block=self._lossless)
        except Full:
            self.left_out += 1

    def close(self, seconds: float) -> None:
        """Print what waits, as far as that goes in this time."""
        try:
            self._waiting.put(None, timeout=seconds)
        except Full:
            return
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            while (decided := self._waiting.get()) is not None:
                self._print(decided)
        except OSError as error:
            self.error = error
            self._on_error(error)
            self._drain()

    def _print(self, decided: Decided) -> None:
        verdict, inspection = decided.verdict, decided.inspection
        try:
            if self._overlays and inspection and decided.frame:
                verdict = replace(verdict, overlay=self._overlays.save(decided.frame, inspection))
        finally:  # a full disk takes nothing from the decision
            text = format_json(verdict) if self._json else self._format(verdict)
            print(text + "\n", end="", file=sys.stdout, flush=True)  # noqa: T201 - its business

    def _format(self, verdict: Verdict) -> str:
        return format_line(verdict, colour=self._colour, camera_width=self._camera_width)

    def _drain(self) -> None:
        """Let nobody wait for what isn't printed any more."""
        try:
            while True:
                self._waiting.get_nowait()
        except Empty:
            pass
