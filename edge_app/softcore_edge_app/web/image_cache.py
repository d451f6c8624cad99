"""Image cache: images of the last parts from memory, of others from the archive, drawn on request."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.inspection.overlays import bring_to_size, colour, outline, split_overlay

from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.outputs.archive_record import IMAGE, OVERLAY, Kept

__all__ = ["KEPT", "ImageCache", "ImageKind", "NoImageError", "shrink"]

ImageKind = Literal["frame", "overlay", "map", "thumbnail", "peak"]

KEPT = 50  # parts
_MOST_BYTES = 128 * 10**6  # of the parts together; the last part is kept, however large
_LONGEST, _THUMBNAIL = 800, 160  # pixels of the longer side
_PIXELS, _WIDEST = (
    480_000,
    2400,
)  # of a wide or tall image: as many pixels as 800 x 600, and of its longer side
_PEAK, _SMALLEST_PEAK = (
    1 / 4,
    48,
)  # the side of a peak's image as a share of the frame's shorter one, and in pixels
_QUICK, _GOOD = [cv2.IMWRITE_PNG_COMPRESSION, 1], [cv2.IMWRITE_JPEG_QUALITY, 85]

_Image = NDArray[np.uint8]


class NoImageError(LookupError):
    """There is no such image; the message says why."""


@dataclass(eq=False)
class _CachedImage:
    """A part, and the images that were drawn of it."""

    published: PublishedDecision
    image: _Image | None
    size: int
    drawn: dict[ImageKind, bytes] = field(default_factory=dict)


class ImageCache:
    """Keeps the last parts, and draws their images: `frame` as PNG, the rest as JPEG.

    `overlay` is the frame with an outline of what lies above the threshold, `map` the frame in the colours of
    its scores, `thumbnail` a small overlay, `peak` the frame's surroundings of the highest score, enlarged.
    The overlay of a part that wasn't inspected is its frame.

    Args:
        archive: the archive's folder; None if there is none.
    """

    def __init__(self, archive: Path | None) -> None:
        self._archive = archive
        self._lock = threading.Lock()
        self._parts: OrderedDict[str, _CachedImage] = OrderedDict()
        self._size = 0

    def add(self, published: PublishedDecision) -> None:
        """Add a part; at once, and never raises."""
        image = published.frame.shown if published.frame else None
        size = 0 if image is None else image.nbytes
        if published.result:
            maps = published.result.anomaly_map, published.result.patch_scores
            size += sum(one.nbytes for one in maps if one is not None)
        with self._lock:
            self._parts[published.record.trigger] = _CachedImage(published, image, size)
            self._size += size
            self._trim()

    def has(self, record: DecisionRecord) -> bool:
        """Return whether there is an image of a part."""
        with self._lock:
            cached = self._parts.get(record.trigger)
        if cached:
            return cached.image is not None
        return self._archive is not None and Kept.place(record).file(self._archive, IMAGE).is_file()

    def get_drawn(self, trigger: str, kind: ImageKind) -> bytes | None:
        """Return an image if it was drawn already."""
        with self._lock:
            cached = self._parts.get(trigger)
            return cached.drawn.get(kind) if cached else None

    def draw(self, trigger: str, kind: ImageKind) -> bytes | None:
        """Draw a part that is kept; None if it is kept no longer.

        Raises:
            NoImageError: the part has no such image.
        """
        with self._lock:
            cached = self._parts.get(trigger)
        if cached is None:
            return None
        drawn = _draw(cached, kind)
        with self._lock:
            if trigger in self._parts:
                cached.drawn[kind] = drawn
                cached.size += len(drawn)
                self._size += len(drawn)
                self._trim()
        return drawn

    def draw_archived(self, record: DecisionRecord, kind: ImageKind) -> bytes:
        """Draw a part from the archive.

        Raises:
            NoImageError: the archive has no such image, or there is no archive.
        """
        if self._archive is None:
            raise NoImageError(f"only the last {KEPT} images are kept: the line has no archive")
        kept = Kept.place(record)
        file, overlay = (kept.file(self._archive, suffix) for suffix in (IMAGE, OVERLAY))
        try:
            if kind == "frame":
                return file.read_bytes()
            if kind != "peak" and overlay.is_file():
                panel = split_overlay(_decode(overlay))[kind == "map"]
                return _encode(".jpg", shrink(panel, _choose_longest(panel, kind)))
            return _draw_alone(_decode(file), record, kind)
        except OSError:
            raise NoImageError("the archive has no image of it (any more)") from None

    def _trim(self) -> None:
        while len(self._parts) > KEPT or (self._size > _MOST_BYTES and len(self._parts) > 1):
            self._size -= self._parts.popitem(last=False)[1].size


def _draw(cached: _CachedImage, kind: ImageKind) -> bytes:
    image, inspection = cached.image, cached.published.result
    if image is None:
        raise NoImageError("no image was taken of it")
    if kind == "frame":
        return _encode(".png", image)
    if inspection is None or kind == "peak":
        return _draw_alone(image, cached.published.record, kind)
    draw: Callable[..., _Image] = colour if kind == "map" else outline
    return _encode(".jpg", draw(image, inspection, _choose_longest(image, kind)))


def _draw_alone(image: _Image, record: DecisionRecord, kind: ImageKind) -> bytes:
    """Draw what needs no map of the part."""
    if kind == "map":
        raise NoImageError("it has no map: it was not inspected, or only decided on")
    if kind != "peak":
        return _encode(".jpg", shrink(image, _choose_longest(image, kind)))
    if record.x is None or record.y is None:
        raise NoImageError("it has no peak: it was not inspected, or only decided on")
    return _encode(".jpg", bring_to_size(_cut_out(image, record.x, record.y), _LONGEST))


def _cut_out(image: _Image, x: float, y: float) -> _Image:
    """Return the square around a place, given as shares of width and height; inside the image throughout."""
    height, width = image.shape[:2]
    side = min(height, width, max(_SMALLEST_PEAK, round(min(height, width) * _PEAK)))
    left = min(width - side, max(0, round(x * width - side / 2)))
    top = min(height - side, max(0, round(y * height - side / 2)))
    return image[top : top + side, left : left + side]


def _choose_longest(image: _Image, kind: ImageKind) -> int:
    """Return the most pixels of an image's longer side; a wide or a tall one must fill a screen, too."""
    if kind == "thumbnail":
        return _THUMBNAIL
    short, long = sorted(image.shape[:2])
    return min(_WIDEST, max(_LONGEST, round(math.sqrt(_PIXELS * long / short))))


def shrink(image: _Image, longest: int) -> _Image:
    """Shrink an image, uint8 BGR `[H, W, 3]`, if its longer side has more than `longest` pixels."""
    height, width = image.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1:
        return image
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _decode(file: Path) -> _Image:
    image = cv2.imdecode(np.frombuffer(file.read_bytes() or b"\0", np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise NoImageError("the archive's image of it can't be read")
    return np.asarray(image, np.uint8)


def _encode(suffix: str, image: _Image) -> bytes:
    return cv2.imencode(suffix, image, _QUICK if suffix == ".png" else _GOOD)[1].tobytes()
