"""Registration: finds where the part lies in a frame, compared with a reference.

It works on edges at a reduced size: the gradient's magnitude, of the channel where it is strongest,
compressed so that faint edges count beside strong ones. Position and angle are found in two steps:

1. the correlation of the edges at every position, by Fourier transforms at 64 pixels, with the reference
   turned by 0, 6, ... 354 degrees where parts may be turned;
2. from the best of these, the enhanced correlation coefficient at 128 pixels (Evangelidis and Psarakis,
   "Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization", TPAMI 2008; OpenCV's).

The quality of a registration is the correlation coefficient of the edges of the reference and of the aligned
frame, where what lies outside the frame has no edges.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from softcore_runtime.alignment.alignment import LEAST_ANGLE, Aligned, Alignment, Registration
from softcore_runtime.errors import AlignmentError
from softcore_runtime.images.depth import FULL
from softcore_runtime.images.image_file import to_bgr8

__all__ = ["REFERENCE_SIDE", "Aligner"]

REFERENCE_SIDE = 256  # pixels of the longer side of a reference
_COARSE, _FINE = 64, 128  # pixels of the longer side
_PADDED = 96  # pixels of the correlation: the part may have been moved by half a side
_STEP = 6  # degrees
_STARTS = 3  # that are refined at most
_CLOSE = 0.06  # a start is refined if its correlation is less than this below the highest
_GAIN, _SLIGHT_GAIN = 0.02, 0.002  # least gain in quality for which a part is turned, by much and by a little
_ITERATIONS, _PRECISION = 15, 1e-4
_SMOOTH = 1.0  # pixels, sigma of the Gaussian before the gradient
_FAINT, _NOISE = 0.1, 4.0  # edges count half at this share of the strongest, plus so many grey levels
_WITHIN = 0.95  # of the edges must lie within the frame

_Edges = NDArray[np.float32]
_Matrix = NDArray[np.float32]  # [2, 3]


class Aligner:
    """Aligns frames with a reference. Several threads may use it at once.

    Args:
        alignment: how.
        reference: uint8 BGR `[h, w, 3]`, the part at its place; frames of another shape are squeezed to it.

    Example:
        >>> reference = np.zeros((64, 64, 3), np.uint8)
        >>> reference[20:40, 16:48] = 200
        >>> aligner = Aligner(Alignment(mode="translation", floor=0.5), reference)
        >>> moved = np.roll(reference, (3, -5), axis=(0, 1))
        >>> aligned = aligner.align(moved)
        >>> aligned.registration.x, aligned.registration.y, bool((aligned.image == reference).all())
        (-5.0, 3.0, True)
        >>> aligner.align(np.zeros_like(reference))
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.AlignmentError: the part is not where it should be (alignment quality ...)
    """

    def __init__(self, alignment: Alignment, reference: NDArray[np.uint8]) -> None:
        self._alignment = alignment
        self._reference = self._ground = reference
        self._coarse_size, self._fine_size = (_shrink(reference, side) for side in (_COARSE, _FINE))
        coarse, fine = self._find_edges(reference)
        self._fine, self._fine_unit = fine, _normalize(fine)
        self._weights = np.maximum(self._fine_unit, 0)
        self._weights /= max(1e-9, float(self._weights.sum()))
        angles = range(0, 360, _STEP) if alignment.mode == "rigid" else (0,)
        self._spectra = [
            _transform(_warp(coarse - coarse.mean(), _turn_back(angle, coarse.shape))) for angle in angles
        ]

    @property
    def reference(self) -> NDArray[np.uint8]:
        """What frames are aligned with, uint8 BGR `[h, w, 3]`."""
        return self._reference

    @property
    def alignment(self) -> Alignment:
        """How frames are aligned."""
        return self._alignment

    def align(self, frame: NDArray[np.generic], white: int = FULL) -> Aligned:
        """Align a frame.

        Args:
            frame: as for `to_bgr8`.
            white: as for `to_bgr8`.

        Raises:
            AlignmentError: the quality is below the alignment's floor, or part of the part lies outside the
                frame.
            FrameError: as `to_bgr8`.
        """
        image = to_bgr8(frame, white)
        registration, within = self.register(image)
        floor = self._alignment.floor
        if not registration.quality >= floor:
            raise AlignmentError(
                f"the part is not where it should be (alignment quality {registration.quality:.2f}, at least "
                f"{floor:.2f} is needed)"
            )
        if not within >= _WITHIN:
            raise AlignmentError(
                f"the part is not where it should be ({100 * (1 - within):.0f} % of its edges are outside "
                "the frame)"
            )
        return Aligned(registration.apply(image, self._find_ground(*image.shape[:2])), registration)

    def register(self, image: NDArray[np.uint8]) -> tuple[Registration, float]:
        """Find the part in a frame.

        Args:
            image: uint8 BGR `[H, W, 3]`.

        Returns:
            where it lies, and the share of its edges that are within the frame.
        """
        coarse, fine = self._find_edges(image)
        best: tuple[float, float, _Matrix] | None = None
        for angle, start in self._find_starts(_normalize(coarse)):
            for turned in self._list_motions(angle):
                matrix, quality = self._refine(fine, start, turned=turned)
                worth = quality - (_GAIN if angle else _SLIGHT_GAIN if turned else 0)
                if best is None or worth > best[0]:
                    best = worth, quality, matrix
        assert best is not None  # noqa: S101
        return self._describe(best[2], best[1], image.shape[0], image.shape[1]), self._measure_within(best[2])

    def _find_ground(self, height: int, width: int) -> NDArray[np.uint8]:
        """Return the reference at the size of a frame."""
        ground = self._ground
        if ground.shape[:2] != (height, width):
            ground = self._ground = np.asarray(cv2.resize(self._reference, (width, height)), np.uint8)
        return ground

    def _list_motions(self, angle: float) -> tuple[bool, ...]:
        """List whether a start is refined in its position alone (False) and in its angle, too (True)."""
        if self._alignment.mode == "translation":
            return (False,)
        return (True,) if angle else (False, True)

    def _find_edges(self, image: NDArray[np.uint8]) -> tuple[_Edges, _Edges]:
        height, width = self._fine_size
        small = _resize(image, height, width)
        coarse = find_edges(_resize(small, *self._coarse_size))
        # Half a pixel between two frames must not matter here.
        return np.asarray(cv2.GaussianBlur(coarse, (0, 0), _SMOOTH), np.float32), find_edges(small)

    def _find_starts(self, coarse: _Edges) -> Iterator[tuple[float, _Matrix]]:
        """Yield angles, and matrices at the fine size, from which to refine: not to turn first."""
        spectrum = _transform(coarse)
        highest, places = [], []
        for turned in self._spectra:
            product = cv2.mulSpectrums(spectrum, turned, 0, conjB=True)
            _, peak, _, place = cv2.minMaxLoc(cv2.idft(product, flags=cv2.DFT_SCALE))
            highest.append(peak)
            places.append(place)
        scale = self._fine_size[0] / self._coarse_size[0]
        chosen: list[int] = []
        for number in (0, *np.argsort(highest)[::-1].tolist()):
            if chosen and (
                len(chosen) > _STARTS
                or highest[number] < max(highest) - _CLOSE
                or any(self._are_near(number, other) for other in chosen)
            ):
                continue
            chosen.append(number)
            x, y = (at - _PADDED if at > _PADDED // 2 else at for at in places[number])
            angle = _STEP * (number + _find_vertex(highest, number)) if number else 0.0
            yield angle, _compose(angle, x * scale, y * scale, self._fine_size)

    def _are_near(self, number: int, other: int) -> bool:
        apart = abs(number - other)
        return min(apart, len(self._spectra) - apart) <= 1

    def _refine(self, fine: _Edges, start: _Matrix, *, turned: bool) -> tuple[_Matrix, float]:
        """Refine a matrix; where that fails, or gains nothing, the start is returned."""
        motion = cv2.MOTION_EUCLIDEAN if turned else cv2.MOTION_TRANSLATION
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ITERATIONS, _PRECISION)
        # From where the start brings the frame, since OpenCV loses angles beyond 90 degrees.
        near, unmoved = _warp(fine, start), np.eye(2, 3, dtype=np.float32)
        before = self._compare(near)
        try:
            _, found = cv2.findTransformECC(self._fine, near, unmoved, motion, criteria)
        except cv2.error:  # it doesn't converge
            return start, before
        turn = start[:, :2] @ found
        turn[:, 2] += start[:, 2]
        matrix = np.asarray(turn, np.float32)
        after = self._compare(_warp(fine, matrix))
        return (matrix, after) if after > before else (start, before)

    def _compare(self, edges: _Edges) -> float:
        return float((_normalize(edges) * self._fine_unit).sum())

    def _measure_within(self, matrix: _Matrix) -> float:
        return float((_warp(np.ones(self._fine_size, np.float32), matrix) * self._weights).sum())

    def _describe(self, matrix: _Matrix, quality: float, height: int, width: int) -> Registration:
        """Describe a matrix of the fine size in pixels of a frame."""
        fine_height, fine_width = self._fine_size
        centre = np.array([(fine_width - 1) / 2, (fine_height - 1) / 2, 1])
        moved = matrix.astype(np.float64) @ centre - centre[:2]
        x, y = float(moved[0] * width / fine_width), float(moved[1] * height / fine_height)
        angle = math.degrees(math.atan2(matrix[0, 1], matrix[0, 0]))
        if abs(angle) < LEAST_ANGLE:
            x, y, angle = round(x), round(y), 0
        return Registration(x=x, y=y, angle=angle, quality=min(1.0, quality))


def find_edges(image: NDArray[np.uint8]) -> _Edges:
    """Return the strength of the edges in a small image, float32 `[h, w]`, 0 to 1."""
    smooth = cv2.GaussianBlur(image, (0, 0), _SMOOTH).astype(np.float32)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    squares = (across * across + down * down).max(axis=2)
    strength = np.sqrt(squares)
    place = int(0.99 * strength.size)
    strongest = float(np.partition(strength, place, axis=None)[place])
    return np.asarray(strength / (strength + (_FAINT * strongest + _NOISE)), np.float32)


def _shrink(image: NDArray[np.uint8], longest: int) -> tuple[int, int]:
    height, width = image.shape[:2]
    factor = longest / max(height, width)
    return max(8, round(height * factor)), max(8, round(width * factor))


def _resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _normalize(edges: _Edges) -> _Edges:
    """Subtract the mean, and divide by the length; all 0 without edges."""
    centred = edges - edges.mean()
    length = float(np.linalg.norm(centred))
    return np.asarray(centred / length if length > 1e-3 else np.zeros_like(centred), np.float32)


def _transform(edges: _Edges) -> _Edges:
    """Return the padded Fourier transform, as OpenCV packs it."""
    padded = np.zeros((_PADDED, _PADDED), np.float32)
    padded[: edges.shape[0], : edges.shape[1]] = edges
    return np.asarray(cv2.dft(padded), np.float32)


def _warp(edges: _Edges, matrix: _Matrix) -> _Edges:
    height, width = edges.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(edges, matrix, (width, height), flags=flags), np.float32)


def _compose(angle: float, x: float, y: float, size: tuple[int, ...]) -> _Matrix:
    return Registration(x=x, y=y, angle=angle, quality=0).matrix(size[0], size[1]).astype(np.float32)


def _turn_back(angle: float, size: tuple[int, ...]) -> _Matrix:
    return _compose(-angle, 0, 0, size)


def _find_vertex(values: list[float], place: int) -> float:
    """Return where the parabola through a highest value and its neighbours has its vertex, -0.5 to 0.5."""
    before, middle, after = values[place - 1], values[place], values[(place + 1) % len(values)]
    bend = before - 2 * middle + after
    return min(0.5, max(-0.5, (before - after) / (2 * bend))) if bend < 0 else 0.0
