"""Noise: test defects that get into the training images, by the protocol of the paper."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.errors import DataError

__all__ = ["NOISES", "SCENARIOS", "count_defects", "draw_noise"]

NOISES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.4)
SCENARIOS = ("no overlap", "overlap")  # are the defects in training taken out of the test set, or left in?


def count_defects(n_train: int, noise: float) -> int:
    """Return how many defects are copied into training: `round(noise * n_train)`.

    Args:
        n_train: number of good training images.
        noise: defects as a share of `n_train`.
    """
    return round(noise * n_train)


def draw_noise(
    test: Sequence[Path], defects: NDArray[np.int64], n_train: int, noise: float, seed: int = 0
) -> NDArray[np.int64]:
    """Draw the defects that are copied into training.

    They are the first `count_defects(n_train, noise)` of those in `defects`, sorted by path and shuffled with
    `random.Random(seed)`.

    Args:
        test: the test images, `[M]`.
        defects: rows of `test` that may be drawn, `[k]`.
        n_train: number of good training images.
        noise: defects as a share of `n_train`.
        seed: of the shuffle; the tables take 0.

    Returns:
        rows of `test`, in the order in which they are drawn.

    Raises:
        DataError: there are fewer defects than that.
    """
    wanted = count_defects(n_train, noise)
    if wanted > len(defects):
        raise DataError(f"not enough defects: {wanted} wanted, {len(defects)} there")
    shuffled = sorted(defects.tolist(), key=lambda row: test[row])
    random.Random(seed).shuffle(shuffled)  # noqa: S311
    return np.array(shuffled[:wanted], np.int64)
