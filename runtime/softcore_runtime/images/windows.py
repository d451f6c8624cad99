"""Windows: several crops that together cover a region of a frame, joined to one grid of patches.

The region is brought to a *canvas*, an image of such a size that windows of the network's input cover it,
with equal steps between them. Where windows overlap, a patch comes from that one in which it lies further
from the border, because a network sees less around a patch at its input's border. So the canvas has one grid
of patches without doubles, and what follows the features (memory bank, search, map) is as with one window.
"""

from __future__ import annotations

import math
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["MOST_WINDOWS", "Outline", "Region", "Size", "Windows", "choose_steps"]

MOST_WINDOWS = 1024  # of a frame
_INSIDE = 0.5  # share of a patch that lies within the outline, from which on it is inspected
_FINE = 4  # binary digits of a pixel that a corner of an outline is drawn with
_TURNED = 1.25  # how much longer or shorter a frame may be, for its height, than the training images


_Share = Annotated[float, Field(ge=0, le=1)]
_Polygon = Annotated[tuple[tuple[_Share, _Share], ...], Field(min_length=3, max_length=1000)]
Outline = tuple[_Polygon, ...]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Size(_Record):
    """The size of an image in pixels.

    Attributes:
        width: its width.
        height: its height.

    Example:
        >>> print(Size(width=640, height=480))
        640 x 480
    """

    width: int = Field(ge=1, le=2**20, description="width in pixels")
    height: int = Field(ge=1, le=2**20, description="height in pixels")

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"


class Region(_Record):
    """A rectangle of a frame, as shares of its width and height, so that it fits frames of any size.

    Attributes:
        x: left edge, 0 to 1.
        y: upper edge, 0 to 1.
        width: width, above 0 and at most 1 - x.
        height: height, above 0 and at most 1 - y.

    Raises:
        pydantic.ValidationError: it leaves the frame.

    Example:
        >>> Region(x=0.5, y=0, width=0.5, height=1).place(height=100, width=300)
        (150, 0, 150, 100)
    """

    x: float = Field(default=0.0, ge=0, lt=1, description="left edge, as a share of the frame's width")
    y: float = Field(default=0.0, ge=0, lt=1, description="upper edge, as a share of the frame's height")
    width: float = Field(default=1.0, gt=0, le=1, description="width, as a share of the frame's")
    height: float = Field(default=1.0, gt=0, le=1, description="height, as a share of the frame's")

    @model_validator(mode="after")
    def _check_inside(self) -> Region:
        most = 1 + 1e-9  # shares of pixels are rounded
        if self.x + self.width > most or self.y + self.height > most:
            raise ValueError("the region leaves the frame")
        return self

    def place(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return the region in whole pixels of a frame: left, top, width and height, at least 1 each.

        Args:
            height: of the frame, in pixels.
            width: of the frame, in pixels.
        """
        left, top = min(round(self.x * width), width - 1), min(round(self.y * height), height - 1)
        right = min(max(round((self.x + self.width) * width), left + 1), width)
        bottom = min(max(round((self.y + self.height) * height), top + 1), height)
        return left, top, right - left, bottom - top


class Windows(_Record):
    """Rows and columns of equal windows that cover a region of a frame.

    With an `outline` only the patches within it are inspected. A patch beyond it gets the features of the
    nearest one within, and so its score: the highest score is that of the patches within.

    Attributes:
        frame: size of the training images, whose shape frames must have.
        region: what the windows cover.
        rows: number of rows of windows.
        columns: number of columns.
        down: pixels of the canvas from a row to the next.
        across: pixels of the canvas from a column to the next.
        apart: by how far patches of different windows lie apart at least, so that the memory bank has a part
            of its own for each window; 0 shares it among them.
        outline: polygons, each of corners (x, y) as shares of the frame; what lies in none of them isn't
            inspected. Without any, all of the region is.

    Raises:
        pydantic.ValidationError: there are more than 1,024 windows, or a polygon has no three corners.

    Example:
        >>> windows = Windows(frame=Size(width=400, height=100), columns=4, across=48)
        >>> windows.canvas(crop=64)
        (64, 208)
        >>> windows.cut(np.zeros((64, 208, 3), np.uint8), crop=64).shape
        (4, 64, 64, 3)
        >>> windows.grid(crop=64, side=8)
        (8, 26)
    """

    frame: Size = Field(description="size of the training images, whose shape frames must have")
    region: Region = Field(default=Region(), description="what the windows cover")
    rows: int = Field(default=1, ge=1, le=MOST_WINDOWS, description="rows of windows")
    columns: int = Field(default=1, ge=1, le=MOST_WINDOWS, description="columns of windows")
    down: int = Field(default=1, ge=1, le=4096, description="pixels of the canvas from a row to the next")
    across: int = Field(
        default=1, ge=1, le=4096, description="pixels of the canvas from a column to the next"
    )
    apart: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="least distance between features of different windows, which gives each a part of the "
        "memory bank; 0 shares it among them",
    )
    outline: Outline = Field(
        default=(),
        max_length=100,
        description="polygons of corners (x, y), as shares of the frame; what lies in none of them isn't "
        "inspected; without any, all of the region is",
    )

    @model_validator(mode="after")
    def _check_count(self) -> Windows:
        if self.count > MOST_WINDOWS:
            raise ValueError(f"{self.count:,} windows are more than {MOST_WINDOWS:,}")
        return self

    @property
    def count(self) -> int:
        """Number of windows of a frame."""
        return self.rows * self.columns

    @property
    def codes(self) -> NDArray[np.float32]:
        """What is added to the features of each window: float32 `[count, k]`, its number in binary digits.

        A digit is -apart / 2 or apart / 2, so that patches of different windows are at least `apart` from
        each other; k is 0 where the memory bank is shared.

        Example:
            >>> Windows(frame=Size(width=3, height=1), columns=3, apart=8).codes
            array([[-4., -4.],
                   [ 4., -4.],
                   [-4.,  4.]], dtype=float32)
        """
        digits = np.arange((self.count - 1).bit_length() if self.apart else 0)
        bits = (np.arange(self.count)[:, None] >> digits) & 1
        return ((bits - 0.5) * self.apart).astype(np.float32)

    def canvas(self, crop: int) -> tuple[int, int]:
        """Return height and width of the canvas in pixels.

        Args:
            crop: side of a window on the canvas, in pixels.
        """
        return (self.rows - 1) * self.down + crop, (self.columns - 1) * self.across + crop

    def fits(self, height: int, width: int) -> bool:
        """Return whether a frame has about the shape of the training images.

        Args:
            height: of the frame, in pixels.
            width: of the frame, in pixels.
        """
        turned = (width / height) / (self.frame.width / self.frame.height)
        return 1 / _TURNED <= turned <= _TURNED

    def cut(self, canvas: NDArray[np.uint8], crop: int) -> NDArray[np.uint8]:
        """Cut the windows out of the canvas.

        Args:
            canvas: uint8 BGR `[h, w, 3]`, of the size that `canvas` gives.
            crop: side of a window, in pixels.

        Returns:
            uint8 BGR `[rows * columns, crop, crop, 3]`, row by row.
        """
        crops = np.empty((self.count, crop, crop, 3), np.uint8)
        for number in range(self.count):
            row, column = divmod(number, self.columns)
            top, left = row * self.down, column * self.across
            crops[number] = canvas[top : top + crop, left : left + crop]
        return crops

    def grid(self, crop: int, side: int) -> tuple[int, int]:
        """Return rows and columns of the joined grid, H and W.

        Args:
            crop: side of a window, in pixels.
            side: rows, and columns, of the grid of one window.

        Raises:
            ValueError: the patches of neighbouring windows don't lie on one grid.
        """
        height = _find_sources(self.rows, self.down, crop, side)[0]
        width = _find_sources(self.columns, self.across, crop, side)[0]
        return len(height), len(width)

    def find_patches(self, crop: int, side: int) -> NDArray[np.int64]:
        """Return, for each position of the joined grid, which patch of which window gives its features.

        Args:
            crop: side of a window, in pixels.
            side: rows, and columns, of the grid of one window.

        Returns:
            int64 `[H * W]`, numbers of patches as they lie in features `[rows * columns * side * side, d]`.

        Raises:
            ValueError: as `grid`.

        Example:
            >>> windows = Windows(frame=Size(width=2, height=1), columns=2, across=32)
            >>> windows.find_patches(crop=64, side=4).reshape(4, 6)[0]
            array([ 0,  1,  2, 17, 18, 19])
        """
        window_row, row = _find_sources(self.rows, self.down, crop, side)
        window_column, column = _find_sources(self.columns, self.across, crop, side)
        window = window_row[:, None] * self.columns + window_column
        found = np.ascontiguousarray(((window * side + row[:, None]) * side + column).ravel())
        repeated = self.find_repeated(crop, (len(row), len(column)))
        return found if repeated is None else found[repeated]

    def find_outside(self, crop: int, grid: tuple[int, int]) -> NDArray[np.bool_] | None:
        """Return which positions of the joined grid lie beyond the outline, bool `[H, W]`; None without it.

        Args:
            crop: side of a window, in pixels.
            grid: rows and columns, H and W.

        Raises:
            ValueError: the outline holds no patch.

        Example:
            >>> left = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
            >>> Windows(frame=Size(width=2, height=2), outline=(left,)).find_outside(64, (1, 4))
            array([[False, False,  True,  True]])
        """
        if not self.outline:
            return None
        height, width = self.canvas(crop)
        area = np.zeros((height, width), np.uint8)
        place = np.array([self.region.x, self.region.y])
        scale = np.array([width / self.region.width, height / self.region.height]) * 2**_FINE
        for polygon in self.outline:
            corners = ((np.array(polygon) - place) * scale - 2 ** (_FINE - 1)).round().astype(np.int32)
            cv2.fillPoly(area, [corners], 255, cv2.LINE_8, _FINE)
        share = cv2.resize(area, grid[::-1], interpolation=cv2.INTER_AREA)
        outside = np.asarray(share < 255 * _INSIDE)
        if outside.all():
            raise ValueError("the outline holds no patch")
        return outside

    def find_repeated(self, crop: int, grid: tuple[int, int]) -> NDArray[np.int64] | None:
        """Return for each position of the joined grid the one whose features it has.

        Args:
            crop: side of a window, in pixels.
            grid: rows and columns, H and W.

        Returns:
            int64 `[H * W]`: of a position within the outline itself, of one beyond it the nearest within;
            None without an outline.

        Raises:
            ValueError: as `find_outside`.
        """
        outside = self.find_outside(crop, grid)
        return None if outside is None else _find_nearest_inside(outside)


def choose_steps(length: float, crop: int, overlap: int, stride: int) -> tuple[int, int]:
    """Choose how many windows cover a length, and the step between them, a multiple of the patches' stride.

    Args:
        length: pixels to cover at the wanted scale; the canvas comes close to it.
        crop: side of a window, in pixels.
        overlap: least number of pixels that neighbours share, below `crop`.
        stride: pixels of the canvas from a patch to the next.

    Returns:
        number of windows and step.

    Example:
        >>> choose_steps(1792, crop=224, overlap=32, stride=8)
        (10, 176)
    """
    if length <= crop + stride / 2:
        return 1, 1
    most = max(1, (crop - overlap) // stride) * stride
    count = math.ceil((length - crop) / most - 1e-9) + 1
    step = max(1, min(round((length - crop) / (count - 1) / stride), most // stride)) * stride
    return count, step


def _find_nearest_inside(outside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each position of a grid `[H, W]` the nearest that isn't outside: int64 `[H * W]`."""
    labels = cv2.distanceTransformWithLabels(
        outside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE, labelType=cv2.DIST_LABEL_PIXEL
    )[1]
    inside = np.flatnonzero(~outside)
    position = np.empty(len(inside) + 1, np.int64)
    position[labels.ravel()[inside]] = inside
    return np.asarray(position[labels.ravel()])


def _find_sources(count: int, step: int, crop: int, side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, along one axis of the joined grid, the window of each patch and its place in that window."""
    if count == 1:
        return np.zeros(side, np.int64), np.arange(side)
    if crop % side or step % (crop // side) or step > crop:
        raise ValueError(
            f"windows of {crop} pixels and {side} patches, {step} pixels apart, have no common grid"
        )
    apart = step // (crop // side)
    places = np.arange((count - 1) * apart + side) - apart * np.arange(count)[:, None]  # [count, length]
    inside = np.minimum(places, side - 1 - places)  # distance from the window's border, in patches
    window = inside.argmax(axis=0)
    return window, places[window, np.arange(places.shape[1])]
