"""Reference: the median of aligned training images, found without being told which of them are good.

1. One training image is the first reference: of `_CANDIDATES` the one with which the others can be registered
   best, by the median of the qualities.
2. The images are aligned with it, and the median of each pixel over the better half is the next reference.
3. That is repeated with the median.

Up to 40 % of the images may show defects: they differ from each other, or are in the worse half.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.alignment.alignment import Alignment, Registration
from softcore_runtime.alignment.registration import Aligner
from softcore_runtime.cli.progress import track

__all__ = ["COMMON", "Mode", "Reference", "find_reference"]

COMMON: Final = 0.55  # median quality below which images have no common reference
_FLOOR, _LOW = 0.6, 0.05  # of the quality that only so many training images don't reach
_CANDIDATES, _JUDGES = 12, 24
_ROUNDS = 2
_UNIFORM = 0.6  # mean length of the angles' unit vectors, above which they have a common direction

Mode = Literal["translation", "rigid"]


@dataclass(frozen=True, eq=False)
class Reference:
    """A reference, and how well images are registered with it.

    Attributes:
        image: uint8 BGR `[h, w, 3]`.
        mode: what parts may differ in.
        registrations: of the images that it was found from, in pixels of `image`.
    """

    image: NDArray[np.uint8]
    mode: Mode
    registrations: tuple[Registration, ...]

    @property
    def quality(self) -> float:
        """The median of the images' qualities."""
        return float(np.median([one.quality for one in self.registrations]))

    @property
    def is_common(self) -> bool:
        """Whether the images have this reference in common."""
        return self.quality >= COMMON

    @property
    def alignment(self) -> Alignment:
        """The alignment of a bundle, with its floor."""
        low = float(np.quantile([one.quality for one in self.registrations], _LOW))
        return Alignment(mode=self.mode, floor=round(_FLOOR * max(0.0, low), 3))


def find_reference(images: Sequence[NDArray[np.uint8]], mode: Mode) -> Reference:
    """Find the reference of images.

    Args:
        images: uint8 BGR `[h, w, 3]`, two or more of one size; as large as the reference is to be.
        mode: what parts may differ in.
    """
    base = images[_find_medoid(images, mode)]
    base = _centre(base, [_register(Aligner(_any(mode), base), image) for image in images])
    for _ in track(range(_ROUNDS), f"reference, {mode}"):
        aligner = Aligner(_any(mode), base)
        found = [_register(aligner, image) for image in images]
        best = np.argsort([-one.quality for one in found], kind="stable")[: (len(images) + 1) // 2]
        aligned = np.stack([found[i].apply(images[i], base) for i in best])
        base = np.median(aligned, axis=0).astype(np.uint8)
    aligner = Aligner(_any(mode), base)
    return Reference(base, mode, tuple(_register(aligner, image) for image in images))


def _any(mode: Mode) -> Alignment:
    return Alignment(mode=mode, floor=0)


def _register(aligner: Aligner, image: NDArray[np.uint8]) -> Registration:
    return aligner.register(image)[0]


def _find_medoid(images: Sequence[NDArray[np.uint8]], mode: Mode) -> int:
    candidates, judges = (_spread(len(images), count) for count in (_CANDIDATES, _JUDGES))
    worths = []
    for candidate in track(candidates, f"alignment, {mode}"):
        aligner = Aligner(_any(mode), images[candidate])
        others = [_register(aligner, images[judge]).quality for judge in judges if judge != candidate]
        worths.append(np.median(others))
    return candidates[int(np.argmax(worths))]


def _centre(image: NDArray[np.uint8], registrations: Sequence[Registration]) -> NDArray[np.uint8]:
    """Move the first reference to where most parts lie."""
    angles = np.deg2rad([one.angle for one in registrations])
    direction = np.exp(1j * angles).mean()
    angle = 0.0
    if abs(direction) > _UNIFORM:
        angle = float(np.median(np.rad2deg(np.angle(np.exp(1j * angles) / direction)))) + math.degrees(
            np.angle(direction)
        )
    x, y = (float(np.median([getattr(one, axis) for one in registrations])) for axis in "xy")
    # apply() takes pixels from where the part lies in a frame; here the part goes there.
    turn = math.radians(angle)
    back = (-math.cos(turn) * x + math.sin(turn) * y, -math.sin(turn) * x - math.cos(turn) * y)
    return Registration(x=back[0], y=back[1], angle=-angle, quality=0).apply(image, image)


def _spread(length: int, count: int) -> list[int]:
    count = min(length, count)
    return [i * length // count for i in range(count)]
