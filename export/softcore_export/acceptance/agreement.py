"""Agreement: compares the decisions of a faster network with those of the same network in FP32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.bundle.manifest import Agreement
from softcore_runtime.errors import ExportError
from softcore_runtime.separation import auroc

__all__ = ["MOST_FLIPPED", "AgreementError", "ImageScores", "check_agreement", "choose_held_back"]

MOST_FLIPPED = 0.05  # of the held-back decisions
_COMPARED = 60  # training images


class AgreementError(ExportError):
    """The network that would ship decides too differently from the same network in FP32."""


@dataclass(frozen=True, eq=False)
class ImageScores:
    """One network's scores of the same images.

    Attributes:
        held_back: float64 `[C]`, training images against the bank without their own entries.
        labelled: float64 `[L]`, images that a person has labelled, against the whole bank.
    """

    held_back: NDArray[np.float64]
    labelled: NDArray[np.float64]


def choose_held_back(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Choose at most 60 images, from the lowest score to the highest: int64 `[C]`, ascending."""
    ranks = np.linspace(0, len(scores) - 1, min(_COMPARED, len(scores))).round().astype(np.int64)
    return np.sort(np.argsort(scores, kind="stable")[ranks])


def check_agreement(
    fast: ImageScores,
    plain: ImageScores,
    trusted: NDArray[np.bool_],
    defective: NDArray[np.bool_],
    max_loss: float,
) -> Agreement:
    """Compare decisions, and with labelled images the image AUROC.

    The held-back images are split into halves. The highest score of the trusted images of one half is the
    threshold of the other half. Each network has its own thresholds, as it would when it ships.

    Args:
        fast: the scores of the network that would ship.
        plain: the scores of the same network in FP32 with all its dimensions.
        trusted: bool `[C]`, which of the held-back images may set a threshold.
        defective: bool `[L]`, which of the labelled images show a defect.
        max_loss: of image AUROC.

    Raises:
        AgreementError: more than `MOST_FLIPPED` of the decisions differ, or the AUROC falls by more than
            `max_loss`.
    """
    count = len(trusted)
    ours, theirs = (_decide(scores.held_back, trusted) for scores in (fast, plain))
    flipped = int((ours != theirs).sum())
    areas = [_compute_auroc(scores.labelled, defective) for scores in (fast, plain)]
    agreement = Agreement(
        held_back=count, flipped=flipped, labelled=len(defective), auroc=areas[0], auroc_fp32=areas[1]
    )
    if flipped > max(1, MOST_FLIPPED * count):
        raise AgreementError(
            f"{flipped} of {count} held-back images are decided otherwise than in FP32 (at most "
            f"{MOST_FLIPPED:.0%}); export with --precision fp32 and without --dimensions"
        )
    if areas[0] is not None and areas[1] is not None and areas[0] < areas[1] - max_loss:
        raise AgreementError(
            f"image AUROC falls from {areas[1]:.4f} in FP32 to {areas[0]:.4f}, by more than --max-loss "
            f"{max_loss:g}; export with --precision fp32 and without --dimensions"
        )
    return agreement


def _decide(scores: NDArray[np.float64], trusted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Decide on each image by the threshold of the other half: True where it fails, bool `[C]`."""
    even = np.arange(len(scores)) % 2 == 0
    thresholds = [scores[half & trusted].max(initial=0) for half in (even, ~even)]
    return np.asarray(scores > np.where(even, thresholds[1], thresholds[0]))


def _compute_auroc(scores: NDArray[np.float64], defective: NDArray[np.bool_]) -> float | None:
    """Compute the area under the ROC curve; None without both classes."""
    bad, good = scores[defective], scores[~defective]
    return auroc(good, bad) if len(bad) and len(good) else None
