"""Verdict: what is decided on one frame, and its line for a person or a program."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime import Bound, Decision, FrameError, InspectionResult, Inspector
from softcore_runtime.bundle.threshold import Threshold

from softcore_edge_app.cameras.frame_checks import FrameChecks
from softcore_edge_app.cameras.frame_source import Frame

__all__ = ["Verdict", "decide", "examine", "format_json", "format_line", "printable", "refuse"]

_COLOURS = {
    Decision.PASS: "\x1b[32m",
    Decision.REVIEW: "\x1b[1;36m",
    Decision.FAIL: "\x1b[1;31m",
    Decision.INVALID: "\x1b[1;33m",
}
_SIGNS = {Bound.EXACT: "", Bound.UPPER: "<=", Bound.LOWER: ">="}
_PLAIN = "\x1b[0m"


@dataclass(frozen=True)
class Verdict:
    """The decision on one frame.

    Attributes:
        frame: the frame's number, from 1.
        name: the frame's name.
        decision: PASS, REVIEW, FAIL or INVALID.
        score: the largest patch score, or a bound of it; None where INVALID.
        bound: what `score` is: `exact`, `upper` or `lower`; None where INVALID.
        threshold: the bundle's threshold, in the units of `score`.
        fail_above: the same, or the upper end of the bundle's grey zone.
        share: `score / threshold`; None where INVALID.
        milliseconds: wall time of the inspection; None where INVALID.
        certified_by_hint, by_hnsw, exact: how many patches each stage of the search settled: why a frame
            was slow; None where INVALID.
        overlay: the saved overlay's path, or None.
        reason: why it is INVALID, else None.
        trigger: the frame's id in the ledger; None where there is none.
        camera: the name of the line's camera; None where there is no line.
        part: what a PLC, a broker or a page called the part; None where nobody did.
    """

    frame: int
    name: str
    decision: Decision
    score: float | None
    bound: str | None
    threshold: float
    fail_above: float
    share: float | None
    milliseconds: float | None
    certified_by_hint: int | None = None
    by_hnsw: int | None = None
    exact: int | None = None
    overlay: Path | None = None
    reason: str | None = None
    trigger: str | None = None
    camera: str | None = None
    part: str | None = None


def examine(frame: Frame, checks: FrameChecks | None) -> str | None:
    """Say why a frame can't be decided on: it couldn't be read, or can't show a part by `checks`."""
    if frame.image is None or checks is None:
        return frame.reason
    try:
        return checks.find_fault(frame.image)
    except FrameError as error:
        return str(error)


def decide(
    inspector: Inspector, frame: Frame, fault: str | None = None, *, fast: bool = False, camera: int = 0
) -> tuple[Verdict, InspectionResult | None]:
    """Decide on a frame of a camera (they count from 0), with its inspection unless `fast`.

    One that has a `fault` (see `examine`), or can't be read, is INVALID, without an inspection.
    """
    reason = fault or frame.reason
    if frame.image is not None and reason is None:
        try:
            return _inspect(inspector, frame, frame.image, fast, camera)
        except FrameError as error:
            reason = str(error)
    return refuse(inspector.manifest.threshold, frame.number, frame.name, reason), None


def refuse(threshold: Threshold, number: int, name: str, reason: str | None) -> Verdict:
    """Make the verdict INVALID.

    Args:
        threshold: the threshold that would have held.
        number: the frame's or the trigger's.
        name: the frame's; where none was taken, what it would have been called.
        reason: why.
    """
    return Verdict(
        frame=number,
        name=name,
        decision=Decision.INVALID,
        score=None,
        bound=None,
        threshold=threshold.value,
        fail_above=threshold.upper,
        share=None,
        milliseconds=None,
        reason=reason,
    )


def _inspect(
    inspector: Inspector, frame: Frame, image: NDArray[np.uint8], fast: bool, camera: int
) -> tuple[Verdict, InspectionResult | None]:
    result = inspector.decide(image, camera) if fast else inspector.inspect(image, camera)
    verdict = Verdict(
        frame=frame.number,
        name=frame.name,
        decision=result.decision,
        score=result.score,
        bound=str(result.bound),
        threshold=result.threshold,
        fail_above=result.fail_above,
        share=result.share,
        milliseconds=result.milliseconds,
        certified_by_hint=result.certified_by_hint,
        by_hnsw=result.by_hnsw,
        exact=result.exact,
    )
    return verdict, None if result.anomaly_map is None else result


def format_json(verdict: Verdict) -> str:
    """Write a verdict as one JSON object: the same keys for every frame, numbers in full precision."""
    fields = asdict(verdict)
    fields["overlay"] = verdict.overlay and str(verdict.overlay)
    return json.dumps(fields, allow_nan=False)


def format_line(verdict: Verdict, *, colour: bool = False, camera_width: int = 0) -> str:
    """Write a verdict as one line for a person: number, decision, share, score, time, name, reason.

    Args:
        verdict: what was decided.
        colour: whether the decision has its colour.
        camera_width: the length of the longest camera's name, to write the camera's before the frame's; 0
            where there is only one camera.
    """
    word = f"{verdict.decision!s:<7}"
    if colour:
        word = f"{_COLOURS[verdict.decision]}{word}{_PLAIN}"
    numbers = " " * len(_numbers("", 0, 0, 0))
    if verdict.score is not None and verdict.share is not None and verdict.milliseconds is not None:
        sign = _SIGNS[Bound(verdict.bound)]
        numbers = _numbers(sign, verdict.share, verdict.score, verdict.milliseconds)
    camera = f"{printable(verdict.camera or ''):<{camera_width}}  " if camera_width else ""
    line = f"{verdict.frame:>6}  {word}  {numbers}  {camera}{printable(verdict.name)}"
    if verdict.part:
        line += f", part {printable(verdict.part)}"
    return f"{line}: {printable(verdict.reason)}" if verdict.reason else line


def printable(text: str) -> str:
    """Escape what would break a line or a terminal: a file's name may hold any character."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _numbers(sign: str, share: float, score: float, milliseconds: float) -> str:
    return f"{sign:2}{share:7.3f} x threshold  score {score:9.4f}  {milliseconds:8.1f} ms"
