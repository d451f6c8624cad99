"""Taught parts: how a memory bank judges the defects that a person has confirmed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.exam.exam import name_part

from softcore_export.memory_bank.leave_one_out import score_others
from softcore_export.memory_bank.memory_bank import MemoryBank
from softcore_export.preparation import PreparedExport

__all__ = ["TaughtPart", "describe_taught", "judge_taught"]


@dataclass(frozen=True)
class TaughtPart:
    """A part that a person has confirmed as defective.

    Attributes:
        name: its folder's name and its file's; a bundle holds no paths.
        before: its score, as if nobody had confirmed anything.
        after: its score by the memory bank that ships.
        dropped: number of entries that the memory bank lost since they resembled its defect.
    """

    name: str
    before: float
    after: float
    dropped: int


def judge_taught(prepared: PreparedExport, learned: MemoryBank) -> tuple[TaughtPart, ...]:
    """Score the confirmed defects, with and without the entries that were dropped because of them.

    Args:
        prepared: with the defects' features.
        learned: the memory bank.
    """
    defects, lost = prepared.defects, learned.dropped
    if not len(defects.paths):
        return ()
    after = _score(prepared, learned.bank, learned.weights, learned.floors, learned)
    before, counts = after, np.zeros(len(after), np.int64)
    if lost:
        bank = np.concatenate([learned.bank, lost.bank])
        weights = np.concatenate([learned.weights, lost.weights])
        floors = np.concatenate([learned.floors, lost.floors])
        before = _score(prepared, bank, weights, floors, learned)
        counts = np.bincount(lost.by, minlength=len(after))
    return tuple(
        TaughtPart(name_part(path), float(was), float(now), int(count))
        for path, was, now, count in zip(defects.paths, before, after, counts, strict=True)
    )


def describe_taught(parts: tuple[TaughtPart, ...], threshold: float) -> str:
    r"""Describe in a line what teaching these parts has changed.

    Example:
        >>> parts = (TaughtPart("a.png", 1.0, 3.0, 5), TaughtPart("b.png", 1.0, 1.0, 0))
        >>> print(describe_taught(parts, 2.0).replace("; ", "\n"))
        1 of 2 confirmed defects above the threshold
        5 entries that resembled one were dropped, which raised 1
    """
    found = sum(part.after > threshold for part in parts)
    line = f"{found:,} of {len(parts):,} confirmed defect{'' if len(parts) == 1 else 's'} above the threshold"
    dropped, raised = sum(part.dropped for part in parts), sum(part.after > part.before for part in parts)
    if dropped == 1:
        return f"{line}; 1 entry that resembled one was dropped, which raised {raised:,}"
    if dropped:
        return f"{line}; {dropped:,} entries that resembled one were dropped, which raised {raised:,}"
    return f"{line}; no entry resembled one"


def _score(
    prepared: PreparedExport,
    bank: NDArray[np.float32],
    weights: NDArray[np.float32],
    floors: NDArray[np.float32],
    learned: MemoryBank,
) -> NDArray[np.float64]:
    seen = (patches[prepared.inspected] for patches in prepared.defects.features)
    return score_others(seen, bank, weights, prepared.device, floors if learned.rule else None)
