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
    """

    looks: int
    found: int
    low: float
    value: float | None
    high: float
    left: int
    passed_over: int

    def describe(self) -> str:
        """Describe it in a sentence or two; nothing before the first look.

        Example:
            >>> estimate_after_looks([True] * 3 + [False] * 17 + [None] * 80).describe()
            'After 20 looks: about 3.0 % of the images are defective (3.0 to 31.0), and 3 were found.'
        """
        if not self.looks:
            return ""
        looks = f"{self.looks:,} look{'' if self.looks == 1 else 's'}"
        if not self.left:
            found = f"{self.found:,} defective image{'' if self.found == 1 else 's'}"
            return f"{looks} found {found}; nobody need look at another."
        span = f"{100 * self.low:.1f} to {100 * self.high:.1f}"
        share, bounds = (span, "") if self.value is None else (f"about {100 * self.value:.1f}", f" ({span})")
        found = f"{f'{self.found:,}' if self.found else 'none'} {'was' if self.found == 1 else 'were'} found"
        told = f"After {looks}: {share} % of the images are defective{bounds}, and {found}."
        if self.passed_over:
            more = f"{self.passed_over:,} more suspect image{'' if self.passed_over == 1 else 's'}"
            told += f" The upper bound counts {more} that nobody looked at."
        return told


def estimate_after_looks(looked: Sequence[bool | None], suspects: int = 0) -> LookEstimate:
    """Estimate how many images are defective, from looks at some of them.

    Of those that nobody has looked at, the less suspect ones are assumed to be defective no more often than
    the 20 least suspect images among those that were looked at, whose rate has an upper bound (Clopper and
    Pearson, one-sided), and about as often as the last 10. Of those that are more suspect than these 20 at
    most all are defective, and about as many as are above the threshold of suspicion.

    Args:
        looked: of each image, the most suspect one first, whether it is defective; None where nobody has
            looked at it.
        suspects: number of images above the threshold of suspicion, the first ones.

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
    high = (found + passed_over + math.ceil((left - passed_over) * most - 1e-9)) / max(1, count)
    value = None
    if not left or looks >= _TELLING:
        suspect = sum(look is None for look in looked[: min(suspects, bounding[0])]) if bounding else 0
        rest = (left - suspect) * sum(telling) / max(1, len(telling))
        value = min((found + suspect + rest) / max(1, count), high)
    return LookEstimate(
        looks=looks,
        found=found,
        low=found / max(1, count),
        value=value,
        high=high,
        left=left,
        passed_over=passed_over,
    )
