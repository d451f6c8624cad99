"""Golden frames: frames with known scores, by which a bundle tests itself on the machine where it serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.images.image_file import read_image

__all__ = ["CLEAR", "GoldenSelection", "choose_golden", "spoil"]

CLEAR = 1.1  # times the threshold: other machines' scores differ by less, see `GoldenFrames.check`
LONGEST = 1024  # pixels; keeps a bundle small with any camera
_FIELDS = 6  # along the side of a chequered square
_SHARES = (1 / 6, 1 / 3, 2 / 3, 1)  # of the shorter side
_SEED = 0


@dataclass(frozen=True, eq=False)
class GoldenSelection:
    """The golden frames that were chosen for a bundle.

    Attributes:
        frames: uint8 BGR `[H, W, 3]`, by name: two training images, and one of them spoiled.
        scores: the score of each frame, by name.
        note: why no frame is certain to fail; None if the spoiled one is.
    """

    frames: dict[str, NDArray[np.uint8]]
    scores: dict[str, float]
    note: str | None


def choose_golden(
    paths: Sequence[Path],
    scores: NDArray[np.float64],
    measure: Callable[[NDArray[np.uint8]], float | None],
    threshold: float,
    read: Callable[[Path], NDArray[np.uint8]] = read_image,
    longest: int = LONGEST,
) -> GoldenSelection:
    """Choose the training images with the lowest and the median score, and spoil the second.

    Of several ways to spoil it the one with the highest score is taken, so that every machine tests a FAIL,
    too, at every threshold that a calibration may set.

    Args:
        paths: the training images, `[N]`.
        scores: float64 `[N]`, their scores.
        measure: returns the score of a frame uint8 BGR `[H, W, 3]`; None for one that can't be inspected,
            which no training image is.
        threshold: the spoiled frame's score should be at least `CLEAR` times as high.
        read: reads an image, as `Preprocessing.read` does.
        longest: pixels of the longer side that golden frames are shrunk to; fewer than the network sees of a
            frame would blur them.
    """
    order = np.argsort(scores, kind="stable")
    plain = _shrink(read(paths[order[0]]), longest)
    typical = _shrink(read(paths[order[len(order) // 2]]), longest)
    measured = [(measure(frame), frame) for frame in spoil(typical)]
    # Where nothing that is spoiled can be inspected, a good frame stands in, with a note.
    candidates = [(score, frame) for score, frame in measured if score is not None]
    candidates = candidates or [(measure(typical) or 0.0, typical)]
    highest, spoiled = max(candidates, key=lambda candidate: candidate[0])
    note = None
    if not highest > CLEAR * threshold:
        note = (
            f"of {len(candidates)} ways to spoil a training image none makes it fail for sure: the highest "
            f"score is {highest:.6g}, the threshold {threshold:.6g}"
        )
    return GoldenSelection(
        frames={"plain": plain, "spoiled": spoiled, "typical": typical},
        scores={"plain": measure(plain) or 0.0, "spoiled": highest, "typical": measure(typical) or 0.0},
        note=note,
    )


def spoil(frame: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Spoil a frame in several ways: chequered squares in its middle, other colours, noise.

    Args:
        frame: uint8 BGR `[H, W, 3]`; it is left as it is.

    Yields:
        frames of the same shape, the least spoiled first.
    """
    height, width = frame.shape[:2]
    for share in _SHARES:
        side = min(height, width, max(2, round(share * min(height, width))))
        top, left = (height - side) // 2, (width - side) // 2
        rows, columns = np.indices((side, side)) * _FIELDS // side
        spoiled = frame.copy()
        spoiled[top : top + side, left : left + side] = (255 * ((rows + columns) % 2))[:, :, None]
        yield spoiled
    yield 255 - frame
    # Black where the frame is light and white where it is dark.
    yield np.where(frame.mean(axis=2, keepdims=True) > 127, np.uint8(0), np.uint8(255)).repeat(3, axis=2)
    for fields in (8, 32, 128):
        noise = np.random.default_rng(_SEED).integers(0, 256, (fields, fields, 3), dtype=np.uint8)
        yield np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def _shrink(frame: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1:
        return frame
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
