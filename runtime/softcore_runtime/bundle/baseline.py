"""Baseline: centre and spread of a quantity over good parts, robust against a few odd ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from softcore_runtime.record import Record

__all__ = ["CLIP", "ENOUGH", "Baseline", "measure_baseline", "take_logarithm"]

CLIP: Final = 3.0  # spreads from the centre at which values are clipped
ENOUGH: Final = 30  # number of parts that a baseline needs
_SMALLEST = 1e-6  # a score of 0 has no logarithm
_ROUNDS = 50


class Baseline(Record):
    """The centre and spread of a quantity's natural logarithm over good parts."""

    parts: int = Field(ge=ENOUGH, description="number of parts")
    centre: float = Field(description="Huber's M-estimate of the centre")
    spread: float = Field(ge=0, description="standard deviation of the clipped values")


def measure_baseline(values: ArrayLike | Sequence[float]) -> Baseline | None:
    """Measure the baseline of a quantity, float `[N]`, >= 0; None for fewer than `ENOUGH` values.

    With x the logarithms, the centre is Huber's M-estimate c, where mean(clip(x - c, -b, b)) = 0. It is a
    mean, so that later means of values clipped alike agree with it, however skewed the values are, and a few
    odd values have little influence. The spread is s = sqrt(mean(clip(x - c, -b, b)^2)), with b = 3 s of the
    round before; in the first it is 1.4826 median |x - median x|, a robust standard deviation (or, if most
    values are equal, the standard deviation).
    """
    x = np.log(np.maximum(np.asarray(values, np.float64), _SMALLEST))
    if len(x) < ENOUGH:
        return None
    centre = float(np.median(x))
    spread = 1.4826 * float(np.median(np.abs(x - centre))) or float(x.std())
    for _ in range(2):  # each further round would follow odd values further out
        bound = CLIP * spread
        for _ in range(_ROUNDS):
            centre += float(np.clip(x - centre, -bound, bound).mean())
        spread = float(np.sqrt(np.square(np.clip(x - centre, -bound, bound)).mean()))
    return Baseline(parts=len(x), centre=centre, spread=spread)


def take_logarithm(value: float) -> float:
    """Return a value's natural logarithm, as `measure_baseline` computes it."""
    return math.log(max(value, _SMALLEST))
