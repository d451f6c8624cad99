"""Alignment: brings the part in a frame to its place in a reference, alike in training and inspection.

An aligned frame has the frame's size. Its pixel `p` shows the frame's pixel `R(angle) (p - c) + c + (x, y)`,
where c is the centre: the part was turned about the centre by `angle`, and moved by (x, y). What lies outside
the frame is filled from the reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from softcore_runtime.record import Record

__all__ = ["LEAST_ANGLE", "Aligned", "Alignment", "Registration", "move_back"]

LEAST_ANGLE: Final = 0.1  # degrees; a part that is turned by less is only moved
_ALONG = 64  # pixels along each side of a frame, by which its lightness is measured


class Alignment(Record):
    """How the frames of a bundle are aligned."""

    mode: Literal["translation", "rigid"] = Field(
        description="what may differ from the reference: the part's position, or its position and its angle"
    )
    floor: float = Field(
        ge=0,
        le=1,
        description="least quality of a registration: a frame of a lower one is INVALID, as the part is not "
        "where it should be",
    )

    def describe(self) -> str:
        """Describe it in words.

        Example:
            >>> Alignment(mode="rigid", floor=0.4).describe()
            'position and angle, quality at least 0.40'
        """
        what = "position and angle" if self.mode == "rigid" else "position"
        return f"{what}, quality at least {self.floor:.2f}"


class Registration(BaseModel):
    """Where the part lies in a frame, compared with the reference.

    Attributes:
        x: by how many pixels of the frame it has been moved to the right.
        y: by how many pixels of the frame it has been moved down.
        angle: by how many degrees it has been turned counter-clockwise about the centre of the frame.
        quality: correlation coefficient of the edges in the reference and in the aligned frame, at most 1.

    Example:
        >>> Registration(x=80, y=-3, angle=15, quality=0.9)
        Registration(x=80.0, y=-3.0, angle=15.0, quality=0.9)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    x: float
    y: float
    angle: float
    quality: float = Field(le=1)

    def matrix(self, height: int, width: int) -> NDArray[np.float64]:
        """Return the affine matrix, float64 `[2, 3]`, from pixels (x, y) of the aligned frame to the frame's.

        Args:
            height: height of the frame, in pixels.
            width: width of the frame, in pixels.

        Example:
            >>> Registration(x=80, y=-3, angle=0, quality=0.9).matrix(512, 512).tolist()
            [[1.0, 0.0, 80.0], [-0.0, 1.0, -3.0]]
        """
        turn = math.radians(self.angle)
        cosine, sine = math.cos(turn), math.sin(turn)
        rotation = np.array([[cosine, sine], [-sine, cosine]])  # y points down
        centre = np.array([width - 1, height - 1]) / 2
        moved = centre + np.array([self.x, self.y])
        return np.column_stack([rotation, moved - rotation @ centre])

    def describe(self) -> str:
        """Describe it in words.

        Example:
            >>> Registration(x=80, y=-3, angle=15, quality=0.9).describe()
            'moved by 80, -3 pixels, turned by 15.0 degrees, quality 0.90'
        """
        turned = f", turned by {self.angle:.1f} degrees" if self.angle else ""
        return f"moved by {self.x:.0f}, {self.y:.0f} pixels{turned}, quality {self.quality:.2f}"

    def apply(self, frame: NDArray[np.uint8], ground: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the aligned frame.

        Args:
            frame: uint8 BGR `[H, W, 3]`.
            ground: uint8 BGR `[H, W, 3]`, what is shown where the frame shows nothing, made as light as it.

        Returns:
            uint8 BGR `[H, W, 3]`; where the part is only moved, by whole pixels, none is interpolated.

        Example:
            >>> image = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
            >>> aligned = Registration(x=5, y=0, angle=0, quality=1).apply(image, np.zeros_like(image))
            >>> bool((aligned[:, :-5] == image[:, 5:]).all())
            True
        """
        height, width = frame.shape[:2]
        if abs(self.angle) >= LEAST_ANGLE:
            return self._turn(frame, ground)
        x, y = round(self.x), round(self.y)
        if x == y == 0:
            return frame
        aligned: NDArray[np.uint8] = self._match(ground, frame)
        shown = frame[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]
        top, left = max(0, -y), max(0, -x)
        aligned[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
        return aligned

    def _turn(self, frame: NDArray[np.uint8], ground: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = frame.shape[:2]
        matrix, size = self.matrix(height, width), (width, height)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        aligned = cv2.warpAffine(frame, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        full = np.full((height, width), 255, np.uint8)
        shown = cv2.warpAffine(full, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        outside = shown < 255
        if outside.any():
            aligned[outside] = self._match(ground, frame)[outside]
        return np.asarray(aligned, np.uint8)

    def _match(self, ground: NDArray[np.uint8], frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the ground as light as the frame is, by the pixels along the frame's border."""
        height, width = frame.shape[:2]
        across, down = np.linspace(0, width - 1, _ALONG), np.linspace(0, height - 1, _ALONG)
        left, right, top, bottom = (np.full(_ALONG, at) for at in (0, width - 1, 0, height - 1))
        x = np.concatenate([across, across, left, right])
        y = np.concatenate([top, bottom, down, down])
        back = np.asarray(cv2.invertAffineTransform(self.matrix(height, width)), np.float64)
        there = (back @ np.stack([x, y, np.ones_like(x)])).round().astype(np.intp)
        seen = ((there >= 0) & (there < [[width], [height]])).all(axis=0)
        if not seen.any():
            return np.array(ground)
        here = frame[y[seen].astype(np.intp), x[seen].astype(np.intp)].astype(np.int16)
        offset: NDArray[np.float64] = np.median(here - ground[there[1, seen], there[0, seen]], axis=0)  # [3]
        return np.asarray(np.clip(ground + offset.round().astype(np.int16), 0, 255), np.uint8)


@dataclass(frozen=True, eq=False)
class Aligned:
    """A frame whose part lies where it does in the reference.

    Attributes:
        image: uint8 BGR `[H, W, 3]`, of the frame's size.
        registration: where the part lies in the frame.
    """

    image: NDArray[np.uint8]
    registration: Registration


def move_back(aligned: NDArray[np.float32], registration: Registration, fill: float) -> NDArray[np.float32]:
    """Bring a map over an aligned frame to the frame itself.

    Args:
        aligned: float32 `[H, W]`, of the size of the frame to which `registration` refers.
        registration: of the frame.
        fill: the value where the aligned frame shows nothing of the frame, and of such pixels of `aligned`.

    Returns:
        float32 `[H, W]`.

    Example:
        >>> aligned = np.zeros((32, 32), np.float32)
        >>> aligned[10, 20] = 1
        >>> back = move_back(aligned, Registration(x=5, y=-2, angle=0, quality=1), fill=0)
        >>> np.unravel_index(back.argmax(), back.shape) == (8, 25)
        True
    """
    height, width = aligned.shape
    matrix = registration.matrix(height, width)
    return np.asarray(
        cv2.warpAffine(
            aligned, matrix, (width, height), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT,
            borderValue=fill,
        ),
        np.float32,
    )  # fmt: skip
