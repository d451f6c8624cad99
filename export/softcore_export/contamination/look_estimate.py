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
        passed_over: number of these that are more suspect than the looks that tell about the rest.
        calm: whether the least suspect of those that were looked at were all good, a good many of them.
    """

    looks: int
    found: int
    low: float
    value: float | None
    high: float
    left: int
    passed_over: int
    calm: bool

    def describe(self) -> str:
        """Describe it in a sentence or two; nothing before the first look.

        Example:
            >>> estimate_after_looks([True] * 3 + [False] * 17 + [None] * 80).describe()
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
        if self.passed_over:
            more = "1 more suspect image that nobody looked at counts"
            if self.passed_over > 1:
                more = f"{self.passed_over:,} more suspect images that nobody looked at count"
            told += f" In it {more} as defective."
        if self.calm:
            told += f" The last {_CALM} or more were good: further looks are hardly worth it."
        return told


def estimate_after_looks(looked: Sequence[bool | None]) -> LookEstimate:
    """Estimate how many images are defective, from looks at some of them.

    Of those that nobody has looked at, the less suspect ones are assumed to be defective no more often than
    the 20 least suspect images among those that were looked at, whose rate has an upper bound (Clopper and
    Pearson, one-sided), and about as often as the last 10. Those that are more suspect than these 20 count as
    defective: nothing is known of them but that they are suspect.

    Args:
        looked: of each image, the most suspect one first, whether it is defective; None where nobody has
            looked at it.

    Example:
        >>> found = estimate_after_looks([True, True, False, False])
        >>> found.low, found.value, found.high
        (0.5, 0.5, 0.5)
        >>> estimate_after_looks([None, True, False, False]).passed_over
        1
    """
    rows = [row for row, defective in enumerate(looked) if defective is not None]
    defective = [bool(looked[row]) for row in rows]
    count, looks, found = len(looked), len(rows), sum(defective)
    bounding, telling = rows[-_BOUNDING:], defective[-_TELLING:]
    left, most, passed_over = count - looks, 1.0, 0
    if bounding:
        bound = binomtest(sum(defective[-_BOUNDING:]), len(bounding), alternative="less")
        most = float(bound.proportion_ci(_CONFIDENCE, method="exact").high)
        passed_over = sum(look is None for look in looked[: bounding[0]])
    rest = left - passed_over
    value = None
    if not left or looks >= _TELLING:
        value = (found + passed_over + rest * sum(telling) / max(1, len(telling))) / max(1, count)
    return LookEstimate(
        looks=looks,
        found=found,
        low=found / max(1, count),
        value=value,
        high=(found + passed_over + math.ceil(rest * most - 1e-9)) / max(1, count),
        left=left,
        passed_over=passed_over,
        calm=looks >= _CALM and not any(defective[-_CALM:]),
    )
