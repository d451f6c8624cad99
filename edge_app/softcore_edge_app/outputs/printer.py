"""Printer: a line on standard output for every decision, and its overlay where overlays are saved."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from queue import Empty, Full, Queue

from softcore_runtime import Bound, Decision

from softcore_edge_app.decisions.decision_record import DecisionRecord, escape_surrogates
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.outputs.overlay_folder import OverlayFolder
from softcore_edge_app.printable import printable

__all__ = ["Printer", "format_json", "format_line"]

_WAITING = 64  # decisions, each with its frame
_COLOURS = {
    Decision.PASS: "\x1b[32m",
    Decision.REVIEW: "\x1b[1;36m",
    Decision.FAIL: "\x1b[1;31m",
    Decision.INVALID: "\x1b[1;33m",
}
_SIGNS = {Bound.EXACT: "", Bound.UPPER: "<=", Bound.LOWER: ">="}
_PLAIN = "\x1b[0m"


class Printer:
    """Prints decisions from a thread of its own: a slow reader doesn't slow down the line.

    Args:
        json: write one JSON object a line, instead of a line for a person.
        colour: whether that has colours.
        overlays: where images go; None saves none.
        lossless: let the line wait for its reader, as a recording can, instead of leaving lines out.
        on_error: called once when nothing can be printed or saved any more.
        cameras: the cameras' names; each line names one where there are several.
        triggers: whether JSON has the triggers' ids, by which decisions are found in the ledger.

    Attributes:
        left_out: number of decisions that were not printed.
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
        triggers: bool = False,
    ) -> None:
        self.left_out = 0
        self.error: OSError | None = None
        self._json, self._colour, self._overlays = json, colour, overlays
        self._lossless, self._on_error, self._triggers = lossless, on_error, triggers
        self._camera_width = max(len(printable(name)) for name in cameras) if len(cameras) > 1 else 0
        self._waiting: Queue[PublishedDecision | None] = Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="printer", daemon=True)
        self._thread.start()

    def print(self, published: PublishedDecision) -> None:
        """Print a decision soon."""
        if self.error:
            return
        try:
            self._waiting.put(published, block=self._lossless)
        except Full:
            self.left_out += 1

    def close(self, seconds: float) -> None:
        """Print what waits, as far as there is time for it; the rest is left out."""
        with suppress(Full):
            self._waiting.put(None, timeout=seconds)
            self._thread.join(seconds)
        if self._thread.is_alive():
            self.left_out += self._drop_waiting()
            with suppress(Full):
                self._waiting.put_nowait(None)

    def _run(self) -> None:
        try:
            while (published := self._waiting.get()) is not None:
                self._print(published)
        except OSError as error:
            self.error = error
            self._on_error(error)
            self._drop_waiting()

    def _print(self, published: PublishedDecision) -> None:
        overlay = None
        try:
            if self._overlays and published.result and published.frame:
                overlay = self._overlays.save(published.frame, published.result)
        finally:  # a full disk takes nothing from the decision
            print(self._format(published, overlay) + "\n", end="", file=sys.stdout, flush=True)  # noqa: T201

    def _format(self, published: PublishedDecision, overlay: Path | None) -> str:
        if self._json:
            return format_json(published, overlay, trigger=self._triggers)
        return format_line(published.record, colour=self._colour, camera_width=self._camera_width)

    def _drop_waiting(self) -> int:
        """Let nobody wait for what isn't printed any more; return the number of decisions."""
        dropped = 0
        try:
            while True:
                dropped += self._waiting.get_nowait() is not None
        except Empty:
            return dropped


def format_json(published: PublishedDecision, overlay: Path | None = None, *, trigger: bool = True) -> str:
    """Return a decision as one JSON object: the same keys for every part, numbers in full precision.

    Args:
        published: the decision.
        overlay: path of the saved overlay, if one was saved.
        trigger: whether to give the trigger's id.
    """
    record, frame = published.record, published.frame
    name = record.name
    if frame is not None and escape_surrogates(frame.name) == name:
        name = frame.name  # with any byte that a file's name may hold
    fields = {
        "frame": record.frame_number,
        "name": name,
        "decision": record.decision,
        "score": record.score,
        "bound": record.bound,
        "threshold": record.threshold,
        "fail_above": record.fail_above,
        "share": record.share,
        "milliseconds": record.milliseconds,
        "certified_by_hint": record.certified_by_hint,
        "by_hnsw": record.by_hnsw,
        "exact": record.exact,
        "overlay": overlay and str(overlay),
        "reason": record.reason,
        "trigger": record.trigger if trigger else None,
        "camera": record.camera,
        "part": None if record.part == record.trigger else record.part,
        "alignment": record.registration and record.registration.model_dump(),
    }
    return json.dumps(fields, allow_nan=False)


def format_line(record: DecisionRecord, *, colour: bool = False, camera_width: int = 0) -> str:
    """Return a decision as one line for a person: number, decision, share, score, time, name, reason.

    Args:
        record: the decision.
        colour: whether the decision has its colour.
        camera_width: length of the longest camera's name, to write the camera's before the frame's; 0 where
            there is only one camera.
    """
    word = f"{record.decision!s:<7}"
    if colour:
        word = f"{_COLOURS[record.decision]}{word}{_PLAIN}"
    numbers = " " * len(_format_numbers("", 0, 0, 0))
    if record.score is not None and record.share is not None and record.milliseconds is not None:
        sign = _SIGNS[Bound(record.bound)]
        numbers = _format_numbers(sign, record.share, record.score, record.milliseconds)
    camera = f"{printable(record.camera):<{camera_width}}  " if camera_width else ""
    line = f"{record.frame_number or 0:>6}  {word}  {numbers}  {camera}{printable(record.name)}"
    if record.part != record.trigger:
        line += f", part {printable(record.part)}"
    return f"{line}: {printable(record.reason)}" if record.reason else line


def _format_numbers(sign: str, share: float, score: float, milliseconds: float) -> str:
    return f"{sign:2}{share:7.3f} x threshold  score {score:9.4f}  {milliseconds:8.1f} ms"
