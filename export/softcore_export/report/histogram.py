"""Histogram: counts of images by a value in multiples of the threshold, as the report draws them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Histogram", "make_histogram"]

_BINS, _TOP = 20, 4.0  # bins per threshold, and where a histogram ends
_LOWEST = 8  # images that the height of a histogram stands for, at least


@dataclass(frozen=True)
class Histogram:
    """A histogram; 20 bins are as wide as one threshold.

    Attributes:
        columns: of each bin that isn't empty: its number, the images that aren't suspect, the suspects, and a
            description.
        bins: number of bins.
        threshold: the first bin above the threshold.
        tallest: images that the height of the drawing stands for.
        ticks: place in per cent of the width, and label.
    """

    columns: list[tuple[int, int, int, str]]
    bins: int
    threshold: int
    tallest: int
    ticks: list[tuple[float, str]]


def make_histogram(values: NDArray[np.float64], suspect: NDArray[np.bool_]) -> Histogram:
    """Count values by bins; a value equal to the threshold lies below it.

    Args:
        values: float64 `[N]`, as multiples of the threshold.
        suspect: bool `[N]`, which images are suspect.
    """
    top = min(_TOP, max(1.5, math.ceil(2 * float(values.max())) / 2))
    bins = round(top * _BINS)
    place = np.clip(np.ceil(values * _BINS) - 1, 0, bins - 1).astype(int)
    columns = []
    for i in np.unique(place).tolist():
        marked, others = int((suspect & (place == i)).sum()), int((~suspect & (place == i)).sum())
        to = f"{(i + 1) / _BINS:.2f}" if i + 1 < bins or values.max() <= top else "more"
        columns.append((i, others, marked, f"{i / _BINS:.2f} to {to} x threshold: {others + marked}"))
    step = 0.5 if top <= 2.5 else 1.0
    ticks = [(100 * step * i / top, f"{step * i:g}") for i in range(int(top / step) + 1)]
    if values.max() > top:
        ticks[-1] = (100.0, f"{top:g} and more")
    tallest = max(_LOWEST, *(others + marked for _, others, marked, _ in columns))
    return Histogram(columns, bins, _BINS, tallest, ticks)
