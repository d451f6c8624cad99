"""Summary: the outcome of an exam in words, and the refusal of a bundle that loses a part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from softcore_runtime import Decision
from softcore_runtime.bundle.threshold import Rate, Threshold
from softcore_runtime.errors import ExportError

from softcore_export.exam.outcome import ExamOutcome, JudgedPart

__all__ = [
    "describe_exam",
    "describe_figures",
    "describe_new",
    "describe_part",
    "list_remarks",
    "refuse_losses",
]

_SHOWN = 5


def describe_exam(outcome: ExamOutcome) -> list[str]:
    """Describe an outcome in lines for the terminal.

    Example:
        >>> for line in describe_exam(outcome):
        ...     print(line)
        8 marked parts (4 good, 4 bad), judged by this bundle and by the one before
        AUROC ... -> ...
        ...
    """
    return [_count(outcome), *(_join(row) for row in describe_figures(outcome)), *_list_changes(outcome)]


def describe_figures(outcome: ExamOutcome) -> list[tuple[str, str, str]]:
    """List the figures: a name, the old bundle's ("" without one) and the new one's.

    Example:
        >>> [name for name, before, after in describe_figures(outcome)]
        ['AUROC', 'threshold', 'overkill', 'escape', 'escape at equal overkill']
    """
    old, new = outcome.old, outcome.new
    rows = [
        ("AUROC", _area(old.area) if old else "", _area(new.area)),
        ("threshold", _threshold(outcome.old_threshold) if old else "", _threshold(outcome.threshold)),
        ("overkill", _rate(old.overkill) if old else "", _rate(new.overkill)),
        ("escape", _rate(old.escape) if old else "", _rate(new.escape)),
    ]
    if outcome.matched and outcome.old_matched and new.escape:
        before, after = (
            f"{_rate(one.escape)} at {one.threshold:.4g}" for one in (outcome.old_matched, outcome.matched)
        )
        rows.append(("escape at equal overkill", before, after))
    return rows


def list_remarks(outcome: ExamOutcome) -> list[str]:
    """List what the person who marked the parts should know.

    Example:
        >>> list_remarks(outcome)
        []
    """
    remarks = []
    if outcome.missing:
        count = len(outcome.missing)
        remarks.append(
            f"{count:,} of {_parts(count + len(outcome.judged) + len(outcome.unread))} "
            f"{'was' if count == 1 else 'were'}n't found and {'is' if count == 1 else 'are'}n't judged again "
            f"(name their folder with --good or --bad): {_name(outcome.missing)}"
        )
    if outcome.unread:
        remarks.append(f"{_parts(len(outcome.unread))} can't be read: {_name(outcome.unread)}")
    if outcome.relabelled:
        remarks.append(
            f"{_parts(len(outcome.relabelled))} had another label before, and the latest counts: "
            f"{_name(outcome.relabelled)}"
        )
    if outcome.learned:
        remarks.append(
            f"{_parts(len(outcome.learned))} called bad {'is' if len(outcome.learned) == 1 else 'are'} among "
            f"the training images (--bad leaves out what it is given): {_name(outcome.learned)}"
        )
    area = outcome.new.area
    if area and area.high < 0.5:
        remarks.append(
            f"bad parts score lower than good ones (AUROC {area}): are the folders of --good and --bad "
            "swapped?"
        )
    if outcome.note and outcome.judged:
        remarks.append(
            f"the earlier bundle can't be asked again, and its recorded scores count: {outcome.note}"
        )
    unknown = len(outcome.judged) - len(outcome.compared)
    if outcome.compared and unknown and not outcome.note:
        remarks.append(
            f"{_parts(unknown)} not compared: the earlier bundle had learned such images, and how it would "
            "judge them without isn't known"
        )
    return remarks


def refuse_losses(target: Path, outcome: ExamOutcome) -> None:
    """Refuse a bundle that loses a marked part (see `ExamOutcome`).

    Args:
        target: the bundle's place.
        outcome: its exam's.

    Raises:
        ExportError: it loses some.

    Example:
        >>> refuse_losses(target, outcome)
    """
    lost = outcome.lost
    if not lost:
        return
    raise ExportError(
        f"{target}: the new bundle loses {len(lost):,} of {_parts(len(outcome.compared))}, and the "
        f"earlier one stays: {_name(_describe_parts(outcome, lost))}; add --accept to take the "
        "new one all the same"
    )


def describe_part(part: JudgedPart, deciding: float | None = None) -> str:
    """Describe a part, and what both bundles decide.

    Args:
        part: the part.
        deciding: as `ExamOutcome.deciding`.

    Example:
        >>> describe_part(outcome.judged[0])
        'good/... (good: PASS ..., now PASS ...)'
    """
    kind = "bad" if part.defective else "good"
    new = describe_new(part, deciding)
    if part.old is None:
        return f"{part.name} ({kind}: {new})"
    return f"{part.name} ({kind}: {part.old.decision} at {part.old.score:.4g}, now {new})"


def describe_new(part: JudgedPart, deciding: float | None = None) -> str:
    """Describe what the new bundle says of a part; arguments as for `describe_part`.

    Example:
        >>> describe_new(outcome.judged[0]), describe_new(outcome.judged[0], 0.0)
        ('PASS at ...', 'fails at equal overkill with ...')
    """
    if deciding is None or part.old is None or part.new.decision is Decision.INVALID:
        return f"{part.new.decision} at {part.new.score:.4g}"
    verb = "fails" if part.new.score > deciding else "passes"
    return f"{verb} at equal overkill with {part.new.score:.4g}"


def _describe_parts(outcome: ExamOutcome, parts: Sequence[JudgedPart]) -> list[str]:
    return [describe_part(part, outcome.deciding) for part in parts]


def _count(outcome: ExamOutcome) -> str:
    parts = outcome.compared or outcome.judged
    bad = sum(part.defective for part in parts)
    asked = ", judged by this bundle and by the one before" if outcome.compared else ", judged by this bundle"
    return f"{_parts(len(parts))} ({len(parts) - bad:,} good, {bad:,} bad){asked}"


def _join(row: tuple[str, str, str]) -> str:
    name, before, after = row
    return f"{name} {before} -> {after}" if before else f"{name} {after}"


def _list_changes(outcome: ExamOutcome) -> Iterator[str]:
    for kind, parts in (("lost", outcome.lost), ("gained", outcome.gained)):
        if parts:
            yield f"{kind}: {_name(_describe_parts(outcome, parts))}"
    if outcome.compared and not outcome.lost and not outcome.gained:
        yield "no marked part has changed sides"


def _area(area: object) -> str:
    return "unknown" if area is None else str(area)


def _parts(count: int) -> str:
    return f"{count:,} marked part{'' if count == 1 else 's'}"


def _threshold(threshold: Threshold | None) -> str:
    if threshold is None:
        return "unknown"
    return f"{threshold.value:.4g}{', provisional' if threshold.provisional else ''}"


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return "unknown"
    return f"{rate.value:.2%} ({rate.count} of {rate.parts}; {rate.low:.2%} to {rate.high:.2%})"


def _name(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
