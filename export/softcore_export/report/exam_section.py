"""Exam section: the part of the report on the parts that a person has marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from softcore_export.exam.outcome import ExamOutcome, JudgedPart
from softcore_export.exam.summary import describe_figures, describe_new, list_remarks
from softcore_export.report.heat_map import encode

__all__ = ["ExamSection", "describe_section"]

_SHOWN = 24  # parts of each kind
_SIDE = 96  # of a thumbnail on the page, in pixels


@dataclass(frozen=True)
class ExamCard:
    """A part on the page; `image` is a `data:` URI."""

    name: str
    kind: str
    old: str
    new: str
    image: str


@dataclass(frozen=True)
class ExamChange:
    """Parts that changed in one way."""

    title: str
    cards: list[ExamCard]
    more: int


@dataclass(frozen=True)
class ExamSection:
    """What the section shows.

    Attributes:
        verdict: in a sentence.
        good, bad: the number of judged parts of each kind.
        compared: whether an earlier bundle has judged them, too.
        figures: a name, the old bundle's, the new one's.
        changes: the parts that changed sides, or that this bundle has wrong where there was none before.
        remarks: lines.
        lost: the number of lost parts.
        is_matched: whether parts are lost or gained at equal overkill, and not at this bundle's threshold.
    """

    verdict: str
    good: int
    bad: int
    compared: bool
    figures: list[tuple[str, str, str]]
    changes: list[ExamChange]
    remarks: list[str]
    lost: int
    is_matched: bool


def describe_section(outcome: ExamOutcome) -> ExamSection:
    """Describe an exam's outcome for the page.

    Example:
        >>> section = describe_section(outcome)
        >>> section.verdict, section.good, section.bad
        ('...', 4, 4)
    """
    lost, gained = outcome.lost, outcome.gained
    compared = outcome.compared
    wrong = [part for part in outcome.judged if part.fails and part.old is None]
    parts = compared or outcome.judged
    bad = sum(part.defective for part in parts)
    changes = [
        _describe_change(title, some, outcome.deciding)
        for title, some in (
            ("Lost: the bundle before was right about these", lost),
            ("Gained: the bundle before was wrong about these", gained),
            ("Decided wrongly by this bundle, and not compared", wrong),
        )
        if some
    ]
    return ExamSection(
        verdict=_give_verdict(outcome),
        good=len(parts) - bad,
        bad=bad,
        compared=bool(compared),
        figures=[(name, old, new) for name, old, new in describe_figures(outcome)],
        changes=changes,
        remarks=list_remarks(outcome),
        lost=len(lost),
        is_matched=outcome.deciding is not None,
    )


def _give_verdict(outcome: ExamOutcome) -> str:
    if not outcome.compared:
        wrong = sum(part.fails for part in outcome.judged)
        return f"{_count(len(outcome.judged))}, of which this bundle decides {wrong:,} wrongly"
    lost, gained = len(outcome.lost), len(outcome.gained)
    if not lost and not gained:
        return f"None of {_count(len(outcome.compared))} has changed sides"
    return f"Of {_count(len(outcome.compared))} {lost:,} are lost and {gained:,} gained"


def _describe_change(title: str, parts: Sequence[JudgedPart], deciding: float | None) -> ExamChange:
    cards = [_draw(part, deciding) for part in parts[:_SHOWN]]
    return ExamChange(title, cards, max(0, len(parts) - _SHOWN))


def _draw(part: JudgedPart, deciding: float | None) -> ExamCard:
    image = cv2.resize(part.thumbnail, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    return ExamCard(
        name=part.name,
        kind="bad" if part.defective else "good",
        old="" if part.old is None else f"{part.old.decision} at {part.old.score:.4g}",
        new=describe_new(part, deciding),
        image=encode(np.asarray(image, np.uint8)),
    )


def _count(parts: int) -> str:
    return f"{parts:,} marked part{'' if parts == 1 else 's'}"
