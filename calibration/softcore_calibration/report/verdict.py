"""Verdict: whether a threshold is ready for the line, in a headline, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from softcore_calibration.calibration import CalibrationResult
from softcore_calibration.data.scoring import ScoredImage
from softcore_calibration.scores import count_wrong

__all__ = ["ClassOutcome", "Verdict", "give_verdict", "list_classes"]

_MOST_ESCAPE, _MOST_OVERKILL = 0.05, 0.1  # shares above which a threshold isn't ready
_FEW = 10  # bad parts; fewer say little


@dataclass(frozen=True)
class Verdict:
    """A verdict on a threshold.

    Attributes:
        headline: one sentence, without a full stop.
        ready: whether the line can rely on it; None where nobody can tell.
        advice: what to do next, a sentence each.
    """

    headline: str
    ready: bool | None
    advice: list[str]


@dataclass(frozen=True)
class ClassOutcome:
    """What a threshold makes of the bad images of a class, which is the name of their folder.

    Attributes:
        name: of the class.
        images, passes, reviews, fails: numbers of its images.
        lowest: the lowest score, as a multiple of the threshold.
    """

    name: str
    images: int
    passes: int
    reviews: int
    fails: int
    lowest: float


def give_verdict(result: CalibrationResult) -> Verdict:
    """Say whether the threshold is ready for the line.

    It isn't if more than 5 % of the bad parts pass or more than 10 % of the good ones fail, unless the share
    was asked for by the objective.

    Example:
        >>> result = calibrate(inspector, scoring, training, Objective(parameters={"share": 0.05}))
        >>> give_verdict(result).ready in (True, False)
        True
    """
    overkill, escape = result.calibration.overkill, result.calibration.escape
    if escape is None:
        headline = "How many bad parts pass is not known: give some with --bad"
        return Verdict(
            headline, None, ["Collect bad parts of each kind of defect, and calibrate again with --bad."]
        )
    passes = (
        f"{escape.count:,} of {_count(escape.parts, 'bad part')} {'passes' if escape.count == 1 else 'pass'}"
    )
    if overkill is None:
        headline = f"{passes}; how many good parts fail is not known"
        return Verdict(headline, None, ["Calibrate again with good parts (--good)."])
    verb = "fails" if overkill.count == 1 else "fail"
    fails = f"{overkill.count:,} of {_count(overkill.parts, 'good part')} {verb}"
    if escape.value > max(_MOST_ESCAPE, _find_wanted(result, "escape")):
        return Verdict(f"{passes}: not ready", False, list(_advise_on_escape(result)))
    if overkill.value > max(_MOST_OVERKILL, _find_wanted(result, "overkill")):
        remedy = "Ask for less overkill (--max-overkill), or export again with more and newer good images."
        return Verdict(f"{fails}: not ready", False, [remedy])
    advice = []
    if escape.count:
        advice.append(
            "Look at the bad parts that pass, below: whether the line may miss such defects is for you to "
            "say."
        )
    if escape.parts < _FEW:
        advice.append(
            f"{_count(escape.parts, 'bad part')} can't show how many of a thousand would pass: collect "
            "more, and calibrate again."
        )
    if result.data_warnings:
        advice.append("Look at the warnings about the images first.")
    advice.append("Let the line run with it, and mark wrong decisions on its page.")
    return Verdict(f"{passes}, {fails}: ready", True, advice)


def list_classes(result: CalibrationResult) -> list[ClassOutcome]:
    """List the classes of the bad images, first those of which the largest share passes."""
    classes: dict[Path, list[ScoredImage]] = {}
    for image in result.bad:
        classes.setdefault(image.path.parent, []).append(image)
    threshold = result.threshold
    found = []
    for folder, images in classes.items():
        scores = [image.score for image in images]
        passes = sum(score <= threshold.value for score in scores)
        fails = sum(score > threshold.upper for score in scores)
        reviews = len(scores) - passes - fails
        lowest = min(scores) / threshold.value
        found.append(ClassOutcome(folder.name, len(scores), passes, reviews, fails, lowest))
    return sorted(found, key=lambda one: (-one.passes / one.images, one.lowest, one.name))


def _find_wanted(result: CalibrationResult, kind: str) -> float:
    """Return the share of an objective that asks for one of a kind; 0 if it doesn't."""
    wanted = result.objective
    if wanted.kind == "band":
        return wanted.parameters[kind]
    return wanted.parameters["share"] if wanted.kind == kind else 0.0


def _advise_on_escape(result: CalibrationResult) -> Iterator[str]:
    """Yield what may catch more bad parts: another threshold if there is one, or else another bundle."""
    scores = result.scores
    below = scores.bad[:1] * (1 - 1e-9)
    overkill = int(count_wrong(below, scores)[0][0])
    good = len(scores.good)
    if below[0] > 0 and overkill <= _MOST_OVERKILL * good:
        yield (
            f"A threshold just below {scores.bad[0]:.5g} lets none of these pass and fails {overkill:,} of "
            f"{_count(good, 'good part')}: try it below."
        )
        return
    hardest = list_classes(result)[0]
    yield (
        f"No threshold tells them apart: the class {hardest.name} is hardest, {hardest.passes:,} of "
        f"{hardest.images:,} pass."
    )
    yield (
        "Look at the most innocent bad images below. If the defect is outside the inspected window or hardly "
        "visible, change region, light or resolution (softcore-export --resolution)."
    )
    yield (
        "If it is clearly visible, teach it: softcore-export --update with --good and --bad, then calibrate "
        "again with parts that were not used for it."
    )


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
