"""Hints: the entries that most often give the score at each position, which the line compares first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.bundle.manifest import HintsRecord

from softcore_export.mapped_pages import release_pages
from softcore_export.memory_bank.floors import FloorRule
from softcore_export.memory_bank.leave_one_out import NearestEntries

__all__ = ["MOST", "learn_hints"]

MOST = 32  # hints per position
_ENOUGH = 2.0  # patches of a frame that may stay open
_TRIED = 24  # images of each half


def learn_hints(
    features: NDArray[np.float32],
    bank: NDArray[np.float32],
    weights: NDArray[np.float32],
    owners: NDArray[np.int32],
    nearest_entries: NearestEntries,
    kept: NDArray[np.bool_],
    rule: FloorRule | None = None,
) -> tuple[NDArray[np.int32], HintsRecord]:
    """Learn hints int32 `[P, h]` from the patches that were kept, leave-one-image-out.

    The number h of hints per position is measured: hints of one half of the images are tried on the other
    half. A patch is left open where W ||p - hint|| exceeds the image's own highest score, which on a good
    part lies below any threshold; with floors, where max(||p - hint||, F(hint)) does. h is the smallest power
    of two that leaves at most 2 patches per image open, and at most 32.

    Args:
        features: float32 `[N, P, d]`.
        bank: float32 `[n, d]`.
        weights: float32 `[n]`.
        owners: int32 `[n]`, the training image of each entry.
        nearest_entries: each patch's nearest entry of another image.
        kept: bool `[N, P]`.
        rule: of the floors; None without floors. An image is tried without its own and its near copies'
            entries, and without what they vouch for.
    """
    scores = nearest_entries.scores(weights)
    groups = rule.groups if rule else np.arange(len(features), dtype=np.int32)
    counts = [2**power for power in range(MOST.bit_length())]  # 1, 2, 4 .. 32
    left_open: list[NDArray[np.int64]] = []
    for half in (0, 1):
        learning = np.arange(len(features)) % 2 == half
        hints = _most_frequent(nearest_entries.entries, kept & learning[:, None])  # [P, 32]
        for i in np.flatnonzero(~learning)[:_TRIED]:
            nearest = np.full(len(hints), np.inf)
            floors = rule.compute(int(groups[i])) if rule else np.zeros(len(bank), np.float32)
            opened = []
            for column in range(MOST):
                entries = hints[:, column]
                apart = np.maximum(np.linalg.norm(features[i] - bank[entries], axis=1), floors[entries])
                own = groups[owners[entries]] == groups[i]
                np.minimum(nearest, np.where(own, np.inf, apart), out=nearest)
                if column + 1 in counts:
                    opened.append((weights.max() * nearest > scores[i]).sum())
            left_open.append(np.array(opened))
            release_pages(features)
    means = np.mean(left_open, axis=0)
    enough = np.flatnonzero(means <= _ENOUGH)
    chosen = int(enough[0]) if len(enough) else len(counts) - 1
    hints = _most_frequent(nearest_entries.entries, kept)[:, : counts[chosen]]
    record = HintsRecord(count=counts[chosen], left_open=round(float(means[chosen]), 3))
    return np.ascontiguousarray(hints, np.int32), record


def _most_frequent(entries: NDArray[np.int32], counted: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return each position's most frequent entries, int32 `[P, 32]`, the most frequent first.

    Fewer than 32 are repeated. A position without any gets entry 0: a wrong hint only costs time.
    """
    hints = np.zeros((entries.shape[1], MOST), np.int32)
    counted = counted & (entries >= 0)
    for position, (column, mask) in enumerate(zip(entries.T, counted.T, strict=True)):
        names, times = np.unique(column[mask], return_counts=True)
        if len(names):
            hints[position] = np.resize(names[np.argsort(-times, kind="stable")][:MOST], MOST)
    return hints
