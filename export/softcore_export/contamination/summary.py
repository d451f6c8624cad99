"""Summary: lists the estimate and the decisions about the training images for the bundle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from softcore_export.contamination.contamination import Contamination, ImageCopy, ImageRecord
from softcore_export.contamination.estimate import ContaminationEstimate

__all__ = ["summarize_contamination"]


def summarize_contamination(
    names: Sequence[str],
    digests: Sequence[str],
    copies: tuple[ImageCopy, ...],
    estimate: ContaminationEstimate,
    kept: NDArray[np.bool_],
) -> Contamination:
    """List the training images, the most suspect first, with what was left out of each.

    Args:
        names: of the images, below the training folder, `[N]`.
        digests: SHA-256 of their files, `[N]`.
        copies: the images that are copies of others.
        estimate: how suspect the images are.
        kept: bool `[N, P]`, which patches could enter the memory bank.
    """
    decisions = np.where(kept.all(axis=1), "kept", "patches excluded")
    decisions[~kept.any(axis=1)] = "picture excluded"
    return Contamination(
        estimate=estimate.share,
        images=tuple(
            ImageRecord(
                path=names[i],
                sha256=digests[i],
                suspicion=round(float(estimate.images[i]), 6),
                decision=decisions[i],
            )
            for i in np.argsort(-estimate.images, kind="stable")
        ),
        copies=copies,
    )
