"""Drawn region: the polygons that a person drew over the training images, and the mask that they are."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from softcore_runtime.images.windows import Size

from softcore_export.windows.outline import LEAST

__all__ = ["DrawnPolygon", "DrawnRegion"]

_MOST_CORNERS = 500  # of a polygon
_MOST_POLYGONS = 50
_FINE = 8  # binary digits of a pixel that a corner is drawn with
_CHECKED = Size(width=512, height=512)  # on which a region must leave something


class DrawnPolygon(BaseModel):
    """A polygon of the aligned frame, inside of which is inspected or left out.

    What it encloses is decided by `cv2.fillPoly`'s even-odd rule: where a polygon that crosses itself
    encloses a place twice, the place is outside of it.

    Attributes:
        action: `inspect` or `leave out`.
        corners: (x, y) as shares of the frame's width and height.

    Raises:
        pydantic.ValidationError: there are fewer than 3 corners or more than 500, one lies outside the frame,
            or what they span is less than 0.05 % of it, which is a slip of the hand.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Literal["inspect", "leave out"]
    corners: tuple[tuple[float, float], ...]

    @model_validator(mode="after")
    def _check_corners(self) -> DrawnPolygon:
        if len(self.corners) < 3:
            raise ValueError("a polygon needs at least 3 corners")
        if len(self.corners) > _MOST_CORNERS:
            raise ValueError(f"a polygon has more than {_MOST_CORNERS} corners")
        if not all(0 <= share <= 1 for corner in self.corners for share in corner):
            raise ValueError("a polygon's corner lies outside the frame")
        hull = cv2.convexHull(np.array(self.corners, np.float32))  # its area is 0 only if all lie on a line
        if cv2.contourArea(hull) < LEAST:
            raise ValueError(
                f"a polygon spans less than {100 * LEAST:g} % of the frame; draw it larger, or remove it"
            )
        return self


class DrawnRegion(BaseModel):
    """The region that polygons stand for.

    What lies in any `inspect` polygon is inspected, or the whole frame if there is none, but for what lies in
    any `leave out` polygon. Their order has no effect.

    Attributes:
        polygons: at most 50; without any, nothing was drawn.

    Raises:
        pydantic.ValidationError: a polygon is wrong, or nothing is left to inspect.

    Example:
        >>> left = DrawnPolygon(action="inspect", corners=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
        >>> rest = DrawnPolygon(action="leave out", corners=((0, 0), (1, 0), (1, 0.24), (0, 0.24)))
        >>> DrawnRegion(polygons=(left, rest)).describe()
        '38 % of the frame, by 2 polygons'
        >>> DrawnRegion().describe()
        'the whole frame'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    polygons: tuple[DrawnPolygon, ...] = Field(default=(), max_length=_MOST_POLYGONS)

    @model_validator(mode="after")
    def _check_rest(self) -> DrawnRegion:
        if self.rasterize(_CHECKED).mean() < LEAST:
            raise ValueError(
                f"the drawn region leaves less than {100 * LEAST:g} % of the frame to inspect; leave out less"
            )
        return self

    def __bool__(self) -> bool:
        return bool(self.polygons)

    def rasterize(self, frame: Size) -> NDArray[np.bool_]:
        """Return the mask for a frame of this size, bool `[height, width]`: what `--roi-image` has white.

        Pixels that a polygon's edge touches belong to the polygon, as `cv2.fillPoly` has it.

        Example:
            >>> half = DrawnPolygon(action="inspect", corners=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
            >>> DrawnRegion(polygons=(half,)).rasterize(Size(width=8, height=2)).sum(axis=1)
            array([4, 4])
        """
        inside = self._fill("inspect", frame)
        if not any(polygon.action == "inspect" for polygon in self.polygons):
            inside = ~inside
        return inside & ~self._fill("leave out", frame)

    def describe(self) -> str:
        """Describe how much is inspected, as part of a sentence."""
        if not self.polygons:
            return "the whole frame"
        count = len(self.polygons)
        share = 100 * float(self.rasterize(_CHECKED).mean())
        return f"{share:.0f} % of the frame, by {count} polygon{'' if count == 1 else 's'}"

    def _fill(self, action: str, frame: Size) -> NDArray[np.bool_]:
        """Return what the polygons of an action enclose, bool `[height, width]`."""
        filled = np.zeros((frame.height, frame.width), np.uint8)
        for polygon in self.polygons:
            if polygon.action == action:
                # Pixels' middles have whole numbers: a share of the frame lies half a pixel before that.
                middles = np.array(polygon.corners) * (frame.width, frame.height) - 0.5
                corners = (middles * 2**_FINE).round().astype(np.int32)
                cv2.fillPoly(filled, [corners], 1, cv2.LINE_8, _FINE)
        return np.asarray(filled > 0)
