"""Alignment choice: whether frames are aligned, and in what, as asked for or by what it gains.

`auto` compares leave-one-out scores of training images: the distance of each image's most unusual patch from
the nearest patch of another image, without alignment and with each of its modes. It aligns where the median
score falls clearly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from softcore_runtime.alignment.aligned_preprocessing import AlignedPreprocessing
from softcore_runtime.alignment.alignment import Alignment
from softcore_runtime.alignment.registration import Aligner
from softcore_runtime.cli.progress import hide_bars
from softcore_runtime.errors import UsageError
from softcore_runtime.images.preprocessing import Preprocessing
from torch import nn

from softcore_export.alignment.alignment_request import AlignmentRequest
from softcore_export.alignment.reference import COMMON, Mode, Reference, find_reference
from softcore_export.memory_bank.leave_one_out import leave_one_out

__all__ = ["GAIN", "AlignmentChoice", "choose_alignment", "measure_scores"]

GAIN: Final = 0.9  # of the scores without alignment: what it must fall to
_BANK = 8192  # patches that an image is compared with
_SEED = 0

_MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, eq=False)
class AlignmentChoice:
    """How frames are aligned, and why.

    Attributes:
        reference: what they are aligned with; None where they aren't.
        reason: why, in words; "" where it was asked for.
    """

    reference: Reference | None = None
    reason: str = ""

    def describe(self) -> str:
        """Describe it in words.

        Example:
            >>> AlignmentChoice(None, "the training images have no reference in common").describe()
            'not aligned: the training images have no reference in common'
        """
        if self.reference is None:
            return f"not aligned: {self.reason}" if self.reason else "not aligned"
        said = f"aligned ({self.reference.mode}), median quality {self.reference.quality:.2f}"
        return f"{said}: {self.reason}" if self.reason else said

    @property
    def alignment(self) -> Alignment | None:
        """The alignment of the bundle; None where frames aren't aligned."""
        return self.reference.alignment if self.reference else None

    def align(self, preprocessing: Preprocessing) -> Preprocessing:
        """Put the alignment before a preprocessing."""
        if self.reference is None:
            return preprocessing
        aligner = Aligner(self.reference.alignment, self.reference.image)
        return AlignedPreprocessing.create(preprocessing, aligner)


def choose_alignment(
    request: AlignmentRequest,
    images: Sequence[NDArray[np.uint8]],
    preprocessing: Preprocessing,
    network: nn.Module,
    device: torch.device,
) -> AlignmentChoice:
    """Choose how frames are aligned.

    Args:
        request: what is asked for.
        images: some of the training images, as `read_small` gives them.
        preprocessing: of one square; what `auto` measures.
        network: computes features of crops, as `PatchFeatures` does.
        device: where distances are computed.

    Raises:
        UsageError: an alignment was asked for, and the images have no reference in common.
    """
    if request == "none":
        return AlignmentChoice()
    if len(images) < 2:  # the scan explains what is wrong with the images
        return AlignmentChoice(None, "too few training images can be read")
    if request != "auto":
        reference = find_reference(images, request)
        if not reference.is_common:
            raise UsageError(
                f"--align {request}: the training images have no reference in common (median quality "
                f"{reference.quality:.2f}, at least {COMMON:.2f} is needed); take --align none"
            )
        return AlignmentChoice(reference)
    found = [reference for mode in _MODES if (reference := find_reference(images, mode)).is_common]
    if not found:
        return AlignmentChoice(None, "the training images have no reference in common")
    before = float(np.median(measure_scores(images, preprocessing, network, device)))
    shares = []
    for reference in found:
        aligned = [
            one.apply(image, reference.image)
            for one, image in zip(reference.registrations, images, strict=True)
        ]
        shares.append(float(np.median(measure_scores(aligned, preprocessing, network, device))) / before)
    best = int(np.argmin(shares))
    told = ", ".join(f"{reference.mode} {share:.2f}" for reference, share in zip(found, shares, strict=True))
    reason = f"leave-one-out scores with alignment are {told} of those without"
    return AlignmentChoice(found[best] if shares[best] <= GAIN else None, reason)


def measure_scores(
    images: Sequence[NDArray[np.uint8]],
    preprocessing: Preprocessing,
    network: nn.Module,
    device: torch.device,
) -> NDArray[np.float64]:
    """Score images, each by its most unusual patch among those of the others: float64 `[S]`.

    Args:
        images: uint8 BGR `[h, w, 3]`, `[S]`.
        preprocessing: of one square.
        network: computes features of crops.
        device: where distances are computed.
    """
    with torch.no_grad():
        crops = (torch.from_numpy(preprocessing.cut(image)) for image in images)
        features = np.stack([network(crop)[0].numpy() for crop in crops])  # [S, P, d]
    patches = features.reshape(-1, features.shape[2])
    count = min(_BANK, len(patches))
    drawn = np.random.default_rng(_SEED).choice(len(patches), count, replace=False)
    owners = (drawn // features.shape[1]).astype(np.int32)
    with hide_bars():
        nearest = leave_one_out(features, patches[drawn], owners, device)
    return nearest.scores(np.ones(count, np.float32))
