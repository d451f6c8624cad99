"""Shadow report: the figures of bundles on trial in words, and their parts as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from statistics import median
from typing import TextIO

from softcore_runtime import Decision

from softcore_edge_app.printable import printable
from softcore_edge_app.queries.formulas import defuse_formula
from softcore_edge_app.queries.shadow_figures import ShadowedPart, ShadowFigures

__all__ = ["describe_shadow", "write_shadowed_parts"]

_NAMED = 10  # parts of each kind; the table has all
_COLUMNS = (
    "number", "trigger", "part", "camera", "decided_at", "decision", "score", "bound", "threshold",
    "milliseconds", "bundle", "shadow_decision", "shadow_score", "shadow_bound", "shadow_threshold",
    "shadow_fail_above", "shadow_milliseconds", "shadow_bundle", "shadow_reason", "mark",
)  # fmt: skip


def describe_shadow(figures: ShadowFigures) -> Iterator[str]:
    """Describe the figures of one bundle on trial at one camera, a line each."""
    shadow = figures.shadow
    provisional = ", provisional" if shadow.provisional else ""
    yield (
        f"camera {printable(figures.camera)}: shadow {printable(shadow.path)}, seal {shadow.bundle[:12]}, "
        f"threshold {shadow.threshold:.6g}{provisional}"
    )
    if not figures.seen:
        yield f"  no part was seen by both, {figures.skipped} skipped"
        return
    same = figures.seen - figures.differences
    yield (
        f"  {figures.seen} parts seen by both, {figures.skipped} skipped; "
        f"the same decision on {same} ({same / figures.seen:.2%})"
    )
    for (line, other), names in sorted(
        figures.differing.items(), key=lambda one: [*Decision].index(one[0][0])
    ):
        count = figures.decisions[line, other]
        named = ", ".join(map(printable, names[:_NAMED]))
        more = f" and {count - _NAMED} more (--csv has all)" if count > _NAMED else ""
        yield f"  {line} -> {other} {count}: {named}{more}"
    if marked := figures.marked.total():
        line_right = figures.marked[True, True] + figures.marked[True, False]
        shadow_right = figures.marked[True, True] + figures.marked[False, True]
        yield (
            f"  of {marked} parts that a person marked, the line was right on {line_right}, "
            f"the shadow on {shadow_right}"
        )
    if figures.shares:
        halves = [median(shares) for shares in zip(*figures.shares, strict=True)]
        most = [max(shares) for shares in zip(*figures.shares, strict=True)]
        yield (
            f"  score / threshold: line {halves[0]:.3f} (p50), {most[0]:.3f} at most; "
            f"shadow {halves[1]:.3f} (p50), {most[1]:.3f} at most"
        )
    if figures.milliseconds:
        line_time, shadow_time = (median(times) for times in zip(*figures.milliseconds, strict=True))
        ratio = f", {shadow_time / line_time:.2f} times as long" if line_time else ""
        yield f"  an inspection took {line_time:.1f} ms (p50), in the shadow {shadow_time:.1f} ms{ratio}"


def write_shadowed_parts(parts: Iterable[ShadowedPart], out: TextIO) -> int:
    """Write parts as CSV, formulas defused, and return their number."""
    writer, count = csv.writer(out, lineterminator="\n"), 0
    writer.writerow(_COLUMNS)
    for part in parts:
        opinion, shadow = part.opinion, part.shadow
        values = (
            part.number, part.trigger, part.part, part.camera, part.decided_at, part.decision, part.score,
            part.bound, part.threshold, part.milliseconds, part.bundle, opinion.decision, opinion.score,
            opinion.bound, shadow.threshold, shadow.fail_above, opinion.milliseconds, shadow.bundle,
            opinion.reason, part.mark,
        )  # fmt: skip
        writer.writerow([defuse_formula(value) for value in values])
        count += 1
    return count
