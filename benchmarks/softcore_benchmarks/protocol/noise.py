"""Noise: test defects that get into the training images, by the protocol of the paper."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from softcore_runtime.errors import DataError

__all__ = ["NOISES", "SCENARIOS", "draw_noise"]

NOISES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.4)
SCENARIOS = ("no overlap", "overlap")  # are the defects in training taken out of the test set, or left in?


def draw_noise(defects: Sequence[Path], n_train: int, noise: float, seed: int = 0) -> list[Path]:
    """Draw the defects that are copied into training.

    `k = round(noise * n_train)` of them: sorted by path, shuffled with `random.Random(seed)`, the first k.

    Args:
        defects: the test images that show a defect.
        n_train: good training images.
        noise: k as a share of `n_train`.
        seed: of the shuffle; the tables take 0.

    Raises:
        DataError: there are fewer defects than that.
    """
    k = round(noise * n_train)
    if k > len(defects):
        raise DataError(f"not enough defects: {k} wanted, {len(defects)} there")
    shuffled = sorted(defects)
    random.Random(seed).shuffle(shuffled)  # noqa: S311
    return shuffled[:k]
