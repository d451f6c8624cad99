"""Overlays: draws the frame and its patch scores for a person."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from softcore_runtime.alignment.alignment import Registration, move_back
from softcore_runtime.decision import Decision
from softcore_runtime.images.image_file import to_bgr8
from softcore_runtime.images.preprocessing import Window

__all__ = ["COLOURS", "Inspected", "bring_to_size", "colour", "outline", "overlay", "split_overlay"]

_SMALLEST, _LARGEST = 320, 1600  # pixels of the longer side
COLOURS: dict[Decision, tuple[int, int, int]] = {  # BGR, dark enough for white text
    Decision.PASS: (70, 125, 35),
    Decision.REVIEW: (0, 95, 165),
    Decision.FAIL: (40, 30, 190),
}
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_START, _FULL = 0.7, 1.6  # shares of the threshold at which the colour starts and is full


class Inspected(Protocol):
    """The attributes of an `InspectionResult` that are drawn."""

    @property
    def decision(self) -> Decision:
        """PASS, REVIEW or FAIL."""
        ...

    @property
    def threshold(self) -> float:
        """The threshold, in the units of the scores."""
        ...

    @property
    def share(self) -> float:
        """The score divided by the threshold."""
        ...

    @property
    def window(self) -> Window:
        """The part of the frame that the scores cover."""
        ...

    @property
    def registration(self) -> Registration | None:
        """Where the part lies in the frame; None where frames aren't aligned."""
        ...

    @property
    def patch_scores(self) -> NDArray[np.float32] | None:
        """float32 `[H, W]`; must not be None to be drawn."""
        ...


def overlay(frame: NDArray[np.generic], inspection: Inspected) -> NDArray[np.uint8]:
    """Draw an inspection: the frame as it was, beside it the frame under its patch scores.

    The region above the threshold is outlined in both, white on black, so that it is visible in grey and in
    colour. The colour (inferno, whose lightness grows steadily) starts at 70 % of the threshold. The frame
    outside the inspected window is darkened. A head line shows the decision as a word, a shape and a colour,
    and the score as a share of the threshold.

    Args:
        frame: the frame that was inspected, as for `Inspector.inspect`.
        inspection: the result of `Inspector.inspect` on it.

    Returns:
        uint8 BGR `[h, 2 w, 3]`; the longer side of the frame is scaled to 320 to 1600 pixels.

    Raises:
        FrameError: `frame` is no frame (see `softcore_runtime.images.image_file.to_bgr8`).
        ValueError: `inspection` has no patch scores, because it is a result of `Inspector.decide`.

    Example:
        >>> drawn = overlay(bad_frame, inspector.inspect(bad_frame))
        >>> drawn.dtype, drawn.shape
        (dtype('uint8'), (352, 640, 3))
        >>> cv2.imwrite(str(folder / "fail.png"), drawn)
        True
    """
    panels = np.hstack([outline(frame, inspection), colour(frame, inspection)])
    return np.vstack([_draw_head_line(inspection, panels.shape[1]), panels])


def outline(frame: NDArray[np.generic], inspection: Inspected, longest: int = _LARGEST) -> NDArray[np.uint8]:
    """Draw the frame with an outline of the region above the threshold.

    Args:
        frame: as for `overlay`.
        inspection: as for `overlay`.
        longest: largest number of pixels of the longer side.

    Returns:
        uint8 BGR `[h, w, 3]`.

    Raises:
        FrameError: as `overlay`.

    Example:
        >>> outline(bad_frame, inspector.inspect(bad_frame), longest=160).shape
        (160, 160, 3)
    """
    image = bring_to_size(to_bgr8(frame), longest)
    _draw_outline(image, _resize_shares(inspection, frame.shape[:2], image.shape[:2]))
    return image


def colour(frame: NDArray[np.generic], inspection: Inspected, longest: int = _LARGEST) -> NDArray[np.uint8]:
    """Draw the frame in grey under the colours of its patch scores, outlined.

    Args:
        frame: as for `overlay`.
        inspection: as for `overlay`.
        longest: largest number of pixels of the longer side.

    Returns:
        uint8 BGR `[h, w, 3]`.

    Raises:
        FrameError: as `overlay`.

    Example:
        >>> colour(bad_frame, inspector.inspect(bad_frame), longest=160).shape
        (160, 160, 3)
    """
    image = bring_to_size(to_bgr8(frame), longest)
    share = _resize_shares(inspection, frame.shape[:2], image.shape[:2])
    strength = np.clip((np.nan_to_num(share) - _START) / (_FULL - _START), 0, 1)
    colours = cv2.applyColorMap((255 * (0.25 + 0.75 * strength)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    alpha = np.where(strength > 0, 0.2 + 0.6 * strength, 0)[:, :, None]
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    heat: NDArray[np.uint8] = ((1 - alpha) * grey + alpha * colours).astype(np.uint8)
    heat[np.isnan(share)] //= 3
    _draw_outline(heat, share)
    return heat


def split_overlay(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Split an overlay into the images of `outline` and `colour`, uint8 BGR `[h, w, 3]` each.

    Example:
        >>> left, right = split_overlay(overlay(bad_frame, inspector.inspect(bad_frame)))
        >>> left.shape, right.shape
        ((320, 320, 3), (320, 320, 3))
    """
    width = image.shape[1]
    panels = image[_bar_height(width) :]
    return panels[:, : width // 2], panels[:, width // 2 :]


def _draw_outline(image: NDArray[np.uint8], share: NDArray[np.float32]) -> None:
    region = (np.nan_to_num(share) > 1).astype(np.uint8)
    outlines = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    thick = max(1, round(max(image.shape[:2]) / 300))
    cv2.drawContours(image, outlines, -1, _BLACK, 3 * thick, cv2.LINE_AA)
    cv2.drawContours(image, outlines, -1, _WHITE, thick, cv2.LINE_AA)


def bring_to_size(image: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Enlarge an image that is too small to see, or shrink one that is too large to keep; always copies.

    Args:
        image: uint8 BGR `[H, W, 3]`.
        longest: largest number of pixels of the longer side, which gets at least 320, or `longest` if that is
            less.

    Returns:
        uint8 BGR `[h, w, 3]`.

    Example:
        >>> bring_to_size(frame, 1600).shape
        (320, 320, 3)
    """
    height, width = image.shape[:2]
    side = max(height, width)
    factor = min(max(1.0, _SMALLEST / side), longest / side)
    if factor == 1:
        return np.array(image, dtype=np.uint8)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=way), dtype=np.uint8)


def _resize_shares(
    inspection: Inspected, frame: tuple[int, ...], image: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return the scores as shares of the threshold, resized to an image `[h, w]`; NaN outside the window."""
    window, scores = inspection.window, inspection.patch_scores
    if scores is None:
        raise ValueError("a result of decide() has no map to draw; inspect() gives one")
    height, width = image
    down, across = height / frame[0], width / frame[1]
    top, bottom = round(window.y * down), round((window.y + window.height) * down)
    left, right = round(window.x * across), round((window.x + window.width) * across)
    size = (max(1, right - left), max(1, bottom - top))
    shares = scores / np.float32(inspection.threshold)
    inside = cv2.resize(shares, size, interpolation=cv2.INTER_LINEAR)
    if inspection.decision is not Decision.PASS and not (inside > 1).any():
        # A single patch just above the threshold vanishes between its neighbours: show its whole cell.
        cells = cv2.resize(shares, size, interpolation=cv2.INTER_NEAREST)
        inside = np.where(cells > 1, cells, inside)
    share = np.full((height, width), np.nan, np.float32)
    share[top:bottom, left:right] = inside[: height - top, : width - left]
    if registration := inspection.registration:
        moved = {"x": registration.x * across, "y": registration.y * down}
        share = move_back(share, registration.model_copy(update=moved), np.nan)
    return share


def _draw_head_line(inspection: Inspected, width: int) -> NDArray[np.uint8]:
    """Draw the decision as a coloured bar: shape (ring, triangle or cross), word, share of the threshold."""
    size = _bar_height(width)
    bar = np.full((size, width, 3), COLOURS[inspection.decision], np.uint8)
    centre, radius, thick = size // 2, size // 4, max(2, size // 12)
    if inspection.decision is Decision.PASS:
        cv2.circle(bar, (centre, centre), radius, _WHITE, thick, cv2.LINE_AA)
    elif inspection.decision is Decision.REVIEW:
        corners = [
            (centre, centre - radius),
            (centre + radius, centre + radius),
            (centre - radius, centre + radius),
        ]
        cv2.polylines(bar, [np.array(corners, np.int32)], True, _WHITE, thick, cv2.LINE_AA)
    else:
        for sign in (-1, 1):
            cv2.line(
                bar,
                (centre - radius, centre - sign * radius),
                (centre + radius, centre + sign * radius),
                _WHITE,
                thick,
                cv2.LINE_AA,
            )
    words = f"{inspection.decision}  {inspection.share:.2f} x threshold"
    place, font = (size, round(0.7 * size)), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(bar, words, place, font, size / 44, _WHITE, thick // 2 + 1, cv2.LINE_AA)
    return bar


def _bar_height(width: int) -> int:
    return max(28, width // 20)
