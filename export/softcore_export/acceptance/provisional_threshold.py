"""Provisional threshold: a threshold from the training images themselves, until it is calibrated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.bundle.threshold import Threshold

from softcore_export.contamination.choices import Choices
from softcore_export.settings import ExportSettings

__all__ = ["find_trusted", "provisional_threshold"]


def find_trusted(
    suspicion: NDArray[np.float64],
    kept: NDArray[np.bool_],
    digests: Sequence[str],
    choices: Choices,
    settings: ExportSettings,
) -> NDArray[np.bool_]:
    """Find the images that may set the threshold.

    With `auto` these are the images that aren't suspect, else all but the share `tau` of the most suspect.
    A person's choices overrule this. If no image remains, every image counts of which a patch was kept.

    Args:
        suspicion: float64 `[N]`; 1 is the threshold of suspicion.
        kept: bool `[N, P]`, which patches could enter the memory bank.
        digests: SHA-256 of the images' files, `[N]`.
        choices: a person's.
        settings: of the training: discriminator and tau.

    Returns:
        bool `[N]`, at least one of them True.
    """
    if settings.discriminator == "auto":
        trusted = np.asarray(suspicion <= 1)
    else:  # a fixed share is excluded, of the images too
        rank = np.argsort(np.argsort(suspicion, kind="stable"))
        trusted = rank < len(rank) - int(settings.tau * len(rank))
    for row, digest in enumerate(digests):
        if digest in choices.images:
            trusted[row] = choices.images[digest].action == "keep"
    return trusted if trusted.any() else np.asarray(kept.any(axis=1))


def provisional_threshold(scores: NDArray[np.float64], trusted: NDArray[np.bool_]) -> Threshold:
    """Take the highest score of the trusted training images as the threshold.

    Args:
        scores: float64 `[N]`, leave-one-image-out.
        trusted: bool `[N]`, at least one of them True.
    """
    value = max(float(scores[trusted].max()), float(np.finfo(np.float32).tiny))
    method = f"highest leave-one-image-out score of the {trusted.sum()} least suspect training images"
    return Threshold(value=value, provisional=True, method=method)
