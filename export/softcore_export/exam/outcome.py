"""Outcome: what an exam says of a new bundle beside the one that it replaces."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from softcore_runtime import Decision
from softcore_runtime.bundle.threshold import Rate, Threshold
from softcore_runtime.exam.exam import Exam

from softcore_export.exam.measures import Area, measure_area, measure_rate

__all__ = ["ExamFigures", "ExamOutcome", "JudgedPart", "MatchedThreshold", "Verdict", "match_threshold"]


@dataclass(frozen=True)
class Verdict:
    """What a bundle says of a part.

    Attributes:
        score: the part's score; infinite where it can't be inspected.
        decision: the decision by the bundle's threshold.
        alone: whether the score is against the memory bank without the part's own entries, for it was a
            training image.
    """

    score: float
    decision: Decision
    alone: bool = False

    def is_right(self, defective: bool) -> bool:
        """Whether a part of this kind isn't lost: a good one doesn't fail, a bad one doesn't pass.

        Example:
            >>> Verdict(1.0, Decision.REVIEW).is_right(False), Verdict(1.0, Decision.REVIEW).is_right(True)
            (True, True)
        """
        if defective:
            return self.decision is not Decision.PASS
        return self.decision in (Decision.PASS, Decision.REVIEW)


@dataclass(frozen=True, eq=False)
class JudgedPart:
    """A marked part that the new bundle has judged.

    Attributes:
        name: its folder's name and its own.
        defective: whether a person calls it bad.
        old: what the old bundle says; None where that isn't known.
        new: what the new bundle says.
        thumbnail: uint8 BGR `[48, 48, 3]`.
    """

    name: str
    defective: bool
    old: Verdict | None
    new: Verdict
    thumbnail: NDArray[np.uint8]

    @property
    def was_right(self) -> bool:
        """Whether the old bundle was right about it."""
        return self.old is not None and self.old.is_right(self.defective)

    @property
    def fails(self) -> bool:
        """Whether it is a part that the new bundle decides wrongly by its own threshold."""
        return not self.new.is_right(self.defective)


@dataclass(frozen=True)
class ExamFigures:
    """How a bundle does in an exam.

    Attributes:
        area: under the ROC curve; None without both kinds.
        overkill: the share of good parts that fail; None without good ones.
        escape: the share of bad parts that pass; None without bad ones.
    """

    area: Area | None
    overkill: Rate | None
    escape: Rate | None


@dataclass(frozen=True)
class MatchedThreshold:
    """A threshold at which a bundle fails as many good parts as another, or fewer.

    Attributes:
        threshold: the threshold.
        escape: the share of bad parts that pass at it; None without bad ones.
    """

    threshold: float
    escape: Rate | None


@dataclass(frozen=True, eq=False)
class ExamOutcome:
    """The outcome of an exam.

    A part that the old bundle decided rightly is *lost* where the new one decides it wrongly. While its
    threshold is provisional, what counts is the *matched* threshold: the lowest at which no more good parts
    of the exam fail by the new bundle than failed by the old one. So nothing is lost, and no escape is
    hidden, for a threshold that calibration will replace. Without good parts to match, or with a calibrated
    threshold, the new bundle's own counts; a bad part is then also lost where it passes at the matched one.

    Attributes:
        exam: the new bundle's, with all parts.
        judged: the parts that the new bundle has judged.
        missing: names of the parts whose images weren't found; they keep their earlier scores.
        unread: a line for each image that can't be read.
        relabelled: names of the parts of which a person said otherwise before.
        threshold: the new bundle's.
        old_threshold: the old one's; None without an old bundle that has judged anything.
        learned: names of the bad parts that are among the new bundle's training images.
        note: why the old bundle could not be asked; "" where it could.
    """

    exam: Exam
    judged: tuple[JudgedPart, ...]
    missing: tuple[str, ...]
    unread: tuple[str, ...]
    relabelled: tuple[str, ...]
    threshold: Threshold
    old_threshold: Threshold | None
    learned: tuple[str, ...] = ()
    note: str = ""

    @property
    def compared(self) -> tuple[JudgedPart, ...]:
        """The parts that both bundles have judged."""
        return tuple(part for part in self.judged if part.old is not None)

    @property
    def deciding(self) -> float | None:
        """The matched threshold, where parts are lost or gained by it; None where the own one counts."""
        return self.matched.threshold if self.matched and self.threshold.provisional else None

    @cached_property
    def matched(self) -> MatchedThreshold | None:
        """The new bundle's matched threshold; None where no good part was judged by both bundles."""
        return match_threshold(self.compared, lambda part: part.new)

    @cached_property
    def old_matched(self) -> MatchedThreshold | None:
        """The lowest threshold at which no more good parts fail by the old bundle than by its own."""
        return match_threshold(self.compared, lambda part: part.old or part.new)

    @property
    def lost(self) -> tuple[JudgedPart, ...]:
        """The parts that the new bundle loses."""
        return tuple(part for part in self.compared if part.was_right and self._is_wrong(part))

    @property
    def gained(self) -> tuple[JudgedPart, ...]:
        """The parts that the new bundle gains."""
        return tuple(part for part in self.compared if not part.was_right and not self._is_wrong(part))

    @property
    def old(self) -> ExamFigures | None:
        """How the old bundle does on the parts that both have judged; None without such parts."""
        if not self.compared:
            return None
        return _measure(self.compared, lambda part: part.old or part.new)

    @property
    def new(self) -> ExamFigures:
        """How the new bundle does on the same parts; on all that it has judged where there are none."""
        return _measure(self.compared or self.judged, lambda part: part.new)

    def _is_wrong(self, part: JudgedPart) -> bool:
        if self.deciding is not None:
            return (part.new.score > self.deciding) is not part.defective
        return part.fails or (
            part.defective and self.matched is not None and part.new.score <= self.matched.threshold
        )


def match_threshold(
    parts: Sequence[JudgedPart], say: Callable[[JudgedPart], Verdict]
) -> MatchedThreshold | None:
    """Find the lowest threshold of a bundle at which no more good parts fail than failed by the old one.

    Args:
        parts: the parts that both bundles have judged.
        say: what the bundle says of a part.

    Returns:
        the threshold; None without good parts, where all of them failed, or where the bundle can't inspect
        more of them than failed.

    Example:
        >>> grey, passed = np.zeros((48, 48, 3), np.uint8), Verdict(1.0, Decision.PASS)
        >>> new = [Verdict(score, Decision.PASS) for score in (3.0, 5.0)]
        >>> parts = [JudgedPart("part", False, passed, verdict, grey) for verdict in new]
        >>> match_threshold(parts, lambda part: part.new).threshold
        5.0
    """
    good = [part for part in parts if not part.defective]
    failed = sum(not part.was_right for part in good)
    if failed == len(good):
        return None
    threshold = sorted((say(part).score for part in good), reverse=True)[failed]
    if not math.isfinite(threshold):
        return None
    bad = [say(part).score for part in parts if part.defective]
    return MatchedThreshold(threshold, measure_rate(sum(score <= threshold for score in bad), len(bad)))


def _measure(parts: Sequence[JudgedPart], say: Callable[[JudgedPart], Verdict]) -> ExamFigures:
    said = [(part.defective, say(part)) for part in parts]
    scores = [[verdict.score for bad, verdict in said if bad is kind] for kind in (False, True)]
    wrong = [bad for bad, verdict in said if not verdict.is_right(bad)]
    return ExamFigures(
        area=measure_area(scores[0], scores[1]),
        overkill=measure_rate(wrong.count(False), len(scores[0])),
        escape=measure_rate(wrong.count(True), len(scores[1])),
    )
