"""Aligned preprocessing: aligns a frame with a reference before it is resized and cropped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import PrivateAttr

from softcore_runtime.alignment.alignment import Aligned
from softcore_runtime.alignment.registration import Aligner
from softcore_runtime.images.preprocessing import Preprocessing

__all__ = ["AlignedPreprocessing", "align_frame", "remove_alignment"]


class AlignedPreprocessing(Preprocessing):
    """The preprocessing of a bundle whose frames are aligned; used like any other.

    Example:
        >>> from softcore_runtime.alignment.alignment import Alignment
        >>> reference = np.zeros((64, 64, 3), np.uint8)
        >>> reference[20:40, 16:48] = 200
        >>> aligner = Aligner(Alignment(mode="translation", floor=0.5), reference)
        >>> preprocessing = AlignedPreprocessing.create(Preprocessing(resize=64, crop=32), aligner)
        >>> seen = preprocessing.apply(np.roll(reference, 9, axis=1))
        >>> bool((seen == reference[16:48, 16:48]).all())
        True
    """

    _aligner: Aligner = PrivateAttr()

    @classmethod
    def create(cls, preprocessing: Preprocessing, aligner: Aligner) -> AlignedPreprocessing:
        """Put an alignment before a preprocessing."""
        created = cls.model_validate(preprocessing.model_dump())
        created._aligner = aligner
        return created

    @property
    def aligner(self) -> Aligner:
        """What aligns the frames."""
        return self._aligner

    def align(self, frame: NDArray[np.generic]) -> Aligned:
        """Align a frame.

        Args:
            frame: as for `apply`.

        Raises:
            AlignmentError: the part is not where it should be.
            FrameError: as `apply`.
        """
        return self._aligner.align(frame, self.white)

    def apply(self, frame: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Return what is inspected of a frame, as `Preprocessing.apply`; errors are those of `align`, too."""
        return super().apply(self.align(frame).image)


def align_frame(preprocessing: Preprocessing, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Align a frame, uint8 BGR `[H, W, 3]`, where the preprocessing does; errors are those of `align`.

    Example:
        >>> frame = np.zeros((64, 64, 3), np.uint8)
        >>> align_frame(Preprocessing(), frame) is frame
        True
    """
    return preprocessing.align(frame).image if isinstance(preprocessing, AlignedPreprocessing) else frame


def remove_alignment(preprocessing: Preprocessing) -> Preprocessing:
    """Return the preprocessing of frames that are aligned already.

    Example:
        >>> remove_alignment(Preprocessing()) == Preprocessing()
        True
    """
    return Preprocessing.model_validate(preprocessing.model_dump())
