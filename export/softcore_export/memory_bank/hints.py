"""Hints: the entries that serve each position most often, for the line to try first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.bundle.manifest import HintsRecord

from softcore_export.memory_bank.leave_one_out import LeftOut

__all__ = ["MOST", "learn_hints"]

MOST = 32  # hints a position
_ENOUGH = 2.0  # patches of a frame that may be left open
_TRIED = 24  # images of each half


def learn_hints(
    features: NDArray[np.float32],
    bank: NDArray[np.float32],
    weights: NDArray[np.float32],
    owners: NDArray[np.int32],
    left_out: LeftOut,
    kept: NDArray[np.bool_],
) -> tuple[NDArray[np.int32], HintsRecord]:
    """Learn hints int32 `[P, h]` from the patches that were kept, leave-one-image-out.

    How many a position needs is measured: hints of one half of the images are tried on the other. A
    patch is left open where W ||p - hint|| exceeds the image's own highest score, which on a good part
    lies below any threshold. h is the least power of two that leaves no more than 2 patches an image open, at
    most 32.

    Args:
        features: float32 `[N, P, d]`.
        bank: float32 `[n, d]`.
        weights: float32 `[n]`.
        owners: int32 `[n]`, the training image of each entry.
        left_out: each patch's nearest entry of another image.
        kept: bool `[N, P]`.
    """
    scores = left_out.scores(weights)
    counts = [2**power for power in range(MOST.bit_length())]  # 1, 2, 4 .. 32
    left_open: list[NDArray[np.int64]] = []
    for half in (0, 1):
        learning = np.arange(len(features)) % 2 == half
        hints = _most_frequent(left_out.entries, kept & learning[:, None])  # [P, 32]
        for i in np.flatnonzero(~learning)[:_TRIED]:
            nearest = np.full(len(hints), np.inf)
            opened = []
            for column in range(MOST):
                entries = hints[:, column]
                apart = np.linalg.norm(features[i] - bank[entries], axis=1)
                np.minimum(nearest, np.where(owners[entries] == i, np.inf, apart), out=nearest)
                if column + 1 in counts:
                    opened.append((weights.max() * nearest > scores[i]).sum())
            left_open.append(np.array(opened))
    means = np.mean(left_open, axis=0)
    enough = np.flatnonzero(means <= _ENOUGH)
    chosen = int(enough[0]) if len(enough) else len(counts) - 1
    hints = _most_frequent(left_out.entries, kept)[:, : counts[chosen]]
    record = HintsRecord(count=counts[chosen], left_open=round(float(means[chosen]), 3))
    return np.ascontiguousarray(hints, np.int32), record


def _most_frequent(entries: NDArray[np.int32], counted: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Name each position's most frequent entries, int32 `[P, 32]`, the most frequent first.

    Where there are fewer, they are repeated; where there is none, it is entry 0: hints may be wrong.
    """
    hints = np.zeros((entries.shape[1], MOST), np.int32)
    counted = counted & (entries >= 0)
    for position, (column, mask) in enumerate(zip(entries.T, counted.T, strict=True)):
        names, times = np.unique(column[mask], return_counts=True)
        if len(names):
            hints[position] = np.resize(names[np.argsort(-times, kind="stable")][:MOST], MOST)
    return hints
