"""Look estimate: how many training images are defective, after a person has looked at some of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

__all__ = ["LookEstimate", "estimate_after_looks"]

_BOUNDING = 20  # looks, at the least suspect images, that bound how many of the rest are defective
_TELLING = 10  # looks, the last of these, that tell about how many are
_CONFIDENCE = 0.95
_CALM = 15  # good images in a row, after which further looks are hardly worth it


@dataclass(frozen=True)
class LookEstimate:
    """What a person's looks say.

    Attributes:
        looks: number of images that were looked at.
        found: number of these that are defective.
        low: share of all images that is defective, at least: what was found.
        value: about; None after too few looks to tell.
        high: at most, with 95 % confidence.
        left: number of images that nobody has looked at.
        calm: whether the least suspect of those that were looked at were all good, a good many of them.
    """

    looks: int
    found: int
    low: float
    value: float | None
    high: float
    left: int
    calm: bool

    def describe(self) -> str:
        """Describe it in a sentence or two; nothing before the first look.

        Example:
            >>> estimate_after_looks([True] * 3 + [False] * 17, 100).describe()
            '20 looks found 3 defective images; of all, 3.0 % are (3.0 to 31.0). The last 15 or more were ...'
        """
        if not self.looks:
            return ""
        found = f"{self.found:,} defective image{'' if self.found == 1 else 's'}"
        told = f"{self.looks:,} look{'' if self.looks == 1 else 's'} found {found}"
        if not self.left:
            return f"{told}; nobody need look at another."
        span = f"{100 * self.low:.1f} to {100 * self.high:.1f}"
        told += (
            f"; of all, {span} % are."
            if self.value is None
            else (f"; of all, {100 * self.value:.1f} % are ({span}).")
        )
        if self.calm:
            told += f" The last {_CALM} or more were good: further looks are hardly worth it."
        return told


def estimate_after_looks(defective: Sequence[bool], count: int) -> LookEstimate:
    """Estimate how many images are defective, from looks at the most suspect ones.

    Nobody has looked at the rest. It is less suspect than what was looked at, and so it is assumed to be
    defective no more often than the 20 least suspect images among these, whose rate has an upper bound
    (Clopper and Pearson, one-sided), and about as often as the last 10.

    Args:
        defective: of each image that was looked at, the most suspect one first.
        count: number of all images.

    Raises:
        ValueError: more images were looked at than there are.

    Example:
        >>> found = estimate_after_looks([True, True, False, False], 4)
        >>> found.low, found.value, found.high
        (0.5, 0.5, 0.5)
    """
    looks, found = len(defective), sum(defective)
    if looks > count:
        raise ValueError(f"{looks} of {count} images can't have been looked at")
    left = count - looks
    bounding, telling = list(defective[-_BOUNDING:]), list(defective[-_TELLING:])
    most = 1.0
    if bounding:
        bound = binomtest(sum(bounding), len(bounding), alternative="less")
        most = float(bound.proportion_ci(_CONFIDENCE, method="exact").high)
    value = None
    if not left or looks >= _TELLING:
        value = (found + left * sum(telling) / max(1, len(telling))) / max(1, count)
    return LookEstimate(
        looks=looks,
        found=found,
        low=found / max(1, count),
        value=value,
        high=(found + math.ceil(left * most - 1e-9)) / max(1, count),
        left=left,
        calm=looks >= _CALM and not any(defective[-_CALM:]),
    )
