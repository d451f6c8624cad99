"""Outcome: what an export did with the training images, in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from softcore_export.export import Export

__all__ = ["count_noun", "describe_changes", "describe_excluded", "describe_kept"]


def describe_kept(kept: NDArray[np.bool_]) -> str:
    """Describe what an export did with an image.

    Args:
        kept: bool `[H, W]`, which of its patches could enter the memory bank.

    Example:
        >>> describe_kept(np.array([[True, False]]))
        'excluded 1 of its 2 patches'
    """
    if kept.all():
        return "used all of it"
    return f"excluded {(~kept).sum():,} of its {kept.size:,} patches" if kept.any() else "excluded all of it"


def describe_excluded(kept: NDArray[np.bool_]) -> str:
    """Describe what is excluded of all images.

    Args:
        kept: bool `[N, P]`, which of their patches could enter the memory bank.

    Example:
        >>> describe_excluded(np.array([[False, False], [True, False], [True, True]]))
        '1 image and 1 patch of 1 more'
    """
    whole = ~kept.any(axis=1)
    partly = ~kept.all(axis=1) & ~whole
    told = [count_noun(int(whole.sum()), "image")] if whole.any() else []
    if partly.any():
        more = "more" if told else "images" if partly.sum() > 1 else "image"
        told.append(
            f"{count_noun(int((~kept[partly]).sum()), 'patch', 'patches')} of {partly.sum():,} {more}"
        )
    return " and ".join(told) or "nothing"


def describe_changes(before: Export | None, after: Export, seconds: float) -> str:
    """Describe what an export changed."""
    threshold, excluded = after.manifest.threshold.value, describe_excluded(after.kept)
    told = f"Exported in {seconds:.1f} s. "
    if before is None:
        return told + f"Decision threshold {threshold:.4g}. Excluded: {excluded}."
    old = before.manifest.threshold.value
    was = describe_excluded(before.kept)
    told += f"Decision threshold {old:.4g} → {threshold:.4g}. "
    return told + f"Excluded now: {excluded}" + (f" (before: {was})." if was != excluded else ", as before.")


def count_noun(n: int, one: str, many: str = "") -> str:
    """Word a number with its noun; the plural is `many`, or else ends in s.

    Example:
        >>> count_noun(1, "patch", "patches"), count_noun(1200, "image")
        ('1 patch', '1,200 images')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"
