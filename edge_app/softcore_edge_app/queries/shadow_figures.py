# ruff: noqa: S608 - the SQL consists of texts of this file
"""Shadow figures: on which parts a bundle on trial says otherwise than the line did, and how often."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from softcore_runtime import Bound, Decision, LedgerError

from softcore_edge_app.decisions.shadow_opinion import OpinionBatch, ShadowBundle, ShadowOpinion
from softcore_edge_app.ledger.check import open_ledger
from softcore_edge_app.ledger.layout import HOLDS

__all__ = ["ShadowFigures", "ShadowedPart", "compute_shadow_figures", "read_shadowed_parts"]

LISTED = 50  # parts of each kind that are named
_AT_ONCE = 500  # rows of a query
_COLUMNS = (
    "number", "trigger", "part", "camera", "decided_at", "bundle", "decision", "score", "bound", "threshold",
    "milliseconds",
)  # fmt: skip


@dataclass(frozen=True)
class ShadowedPart:
    """A part on which a shadow has an opinion, beside the line's own decision in the ledger.

    Attributes:
        number, trigger, part, camera, decided_at, bundle, decision, score, bound, threshold, milliseconds: of
            the line's decision, as in `DecisionRecord`.
        shadow: the bundle on trial.
        opinion: what it says.
        mark: the mark of a person, `good` or `bad`, or None.
    """

    number: int
    trigger: str
    part: str
    camera: str
    decided_at: int
    bundle: str
    decision: Decision
    score: float | None
    bound: str | None
    threshold: float
    milliseconds: float | None
    shadow: ShadowBundle
    opinion: ShadowOpinion
    mark: str | None

    @property
    def share(self) -> float | None:
        """The line's score divided by its threshold; None where it is no exact one."""
        return _divide(self.score, self.bound, self.threshold)

    @property
    def shadow_share(self) -> float | None:
        """The same of the shadow."""
        return _divide(self.opinion.score, self.opinion.bound, self.shadow.threshold)


@dataclass
class ShadowFigures:
    """What is known of one bundle on trial, with one threshold, at one camera.

    Attributes:
        camera: name of the camera.
        shadow: the bundle.
        decisions: number of parts by the line's decision and the shadow's.
        skipped: number of parts that the shadow wasn't asked about, for the line's sake.
        differing: by the same two decisions, names of the first 50 parts where they differ.
        milliseconds: of each part that both inspected, the line's time and the shadow's.
        shares: of each part with two exact scores, the line's score in units of its threshold, and the
            shadow's in units of its own.
        marked: number of parts that a person marked, by whether line and shadow were right.
    """

    camera: str
    shadow: ShadowBundle
    decisions: Counter[tuple[Decision, Decision]] = field(default_factory=Counter)
    skipped: int = 0
    differing: dict[tuple[Decision, Decision], list[str]] = field(default_factory=dict)
    milliseconds: list[tuple[float, float]] = field(default_factory=list)
    shares: list[tuple[float, float]] = field(default_factory=list)
    marked: Counter[tuple[bool, bool]] = field(default_factory=Counter)

    @property
    def seen(self) -> int:
        """Number of parts that both decided on."""
        return self.decisions.total()

    @property
    def differences(self) -> int:
        """Number of parts on which they differ."""
        return sum(count for (line, shadow), count in self.decisions.items() if line is not shadow)

    def add(self, part: ShadowedPart) -> None:
        """Count a part."""
        both = part.decision, part.opinion.decision
        self.decisions[both] += 1
        if both[0] is not both[1] and len(listed := self.differing.setdefault(both, [])) < LISTED:
            listed.append(part.part)
        if part.milliseconds is not None and part.opinion.milliseconds is not None:
            self.milliseconds.append((part.milliseconds, part.opinion.milliseconds))
        if part.share is not None and part.shadow_share is not None:
            self.shares.append((part.share, part.shadow_share))
        if part.mark is not None:
            self.marked[_is_right(both[0], part.mark), _is_right(both[1], part.mark)] += 1


def compute_shadow_figures(path: Path, since: int | None = None) -> list[ShadowFigures]:
    """Compute the figures of each bundle on trial, by camera and threshold, in the order of their trials.

    Args:
        path: the ledger.
        since: of parts decided from then on alone, in nanoseconds of UTC since 1970.

    Raises:
        LedgerError: the ledger can't be read.
    """
    found: dict[tuple[str, str], ShadowFigures] = {}
    with open_ledger(path) as connection:
        for at, camera, batch in _read_batches(connection):
            figures = found.setdefault((camera, batch.shadow.bundle), ShadowFigures(camera, batch.shadow))
            figures.skipped += batch.skipped if since is None or at >= since else 0
        for part in _read_parts(connection, since):
            found[part.camera, part.shadow.bundle].add(part)
    return [figures for figures in found.values() if figures.seen or figures.skipped]


def read_shadowed_parts(path: Path, since: int | None = None) -> Iterator[ShadowedPart]:
    """Read the parts on which a shadow has an opinion; arguments and errors as `compute_shadow_figures`."""
    with open_ledger(path) as connection:
        yield from _read_parts(connection, since)


def _read_parts(connection: sqlite3.Connection, since: int | None) -> Iterator[ShadowedPart]:
    marks = dict(
        connection.execute(
            'SELECT subject, mark FROM (SELECT subject, "after" AS mark, max(number) FROM notes '
            "WHERE kind = 'mark' GROUP BY subject) WHERE mark IS NOT NULL"
        )
    )
    last: dict[tuple[str, str], int] = {}
    for _, camera, batch in _read_batches(connection):
        opinions = iter(batch.opinions)
        while some := list(islice(opinions, _AT_ONCE)):
            rows = _read_rows(connection, [one.row for one in some if one.row is not None])
            for one in some:
                values = rows.get(one.row or 0)
                if values is None or values[1] != one.trigger or values[3] != camera:
                    continue  # corrected since, or never entered
                # A batch whose note couldn't be proven is noted again.
                if values[0] <= last.get((camera, batch.shadow.bundle), 0):
                    continue
                last[camera, batch.shadow.bundle] = values[0]
                if since is None or values[4] >= since:
                    line = dict(zip(_COLUMNS, values, strict=True))
                    line["decision"] = Decision(line["decision"])
                    yield ShadowedPart(**line, shadow=batch.shadow, opinion=one, mark=marks.get(one.trigger))


def _read_batches(connection: sqlite3.Connection) -> Iterator[tuple[int, str, OpinionBatch]]:
    """Read when each batch was noted, of which camera, and the batch."""
    notes = connection.execute(
        "SELECT number, at, camera, \"after\" FROM notes WHERE kind = 'shadow' ORDER BY number"
    )
    for number, at, camera, text in notes:
        yield at, camera, _load(number, text)


def _load(number: int, text: str | None) -> OpinionBatch:
    try:
        return OpinionBatch.load(text or "")
    except ValueError as error:
        raise LedgerError(f"note {number} of the ledger can't be read ({error})") from error


def _read_rows(connection: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, tuple[Any, ...]]:
    names = ", ".join(f'"{name}"' for name in _COLUMNS)
    places = ", ".join("?" * len(numbers))
    found = connection.execute(
        f"SELECT {names} FROM rows WHERE number IN ({places}) AND {HOLDS}", list(numbers)
    )
    return {values[0]: values for values in found}


def _divide(score: float | None, bound: str | None, threshold: float) -> float | None:
    return score / threshold if score is not None and bound == Bound.EXACT and threshold else None


def _is_right(decision: Decision, mark: str) -> bool:
    """Return whether a decision agrees with a person; REVIEW and INVALID leave it to one."""
    return decision is (Decision.PASS if mark == "good" else Decision.FAIL)
