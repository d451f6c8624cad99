"""Preprocessing: resize and crop, the same function in training and inspection.

Everything after it (normalisation, the network, pooling) is inside `backbone.onnx`. A frame gives one crop,
or several windows (see `softcore_runtime.images.windows`), which the network sees in one batch.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from softcore_runtime.errors import FrameError
from softcore_runtime.images.depth import FULL
from softcore_runtime.images.image_file import read_image, to_bgr8
from softcore_runtime.images.windows import Region, Windows

__all__ = ["SMALLEST_SIDE", "Preprocessing", "Window"]

SMALLEST_SIDE = 8  # pixels; a smaller frame can't show a part


class Window(BaseModel):
    """The part of a frame that is inspected, in pixels of the frame, which may be fractions.

    Attributes:
        x: left edge, from the left of the frame.
        y: upper edge, from the top of the frame.
        width: its width.
        height: its height.

    Example:
        >>> inspector.inspect(frame).window
        Window(x=2.666..., y=2.666..., width=42.666..., height=42.666...)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: float
    y: float
    width: float
    height: float


class Preprocessing(BaseModel):
    """Resize the whole frame to a square of `resize` pixels, then cut out its middle `crop` pixels.

    The frame is squeezed to the square, not cut: a crop after resizing the shorter side (PatchCore's) would
    leave the ends of an oblong image uninspected, and a defect there would escape. With `windows` nothing is
    squeezed: a region of the frame is brought to a canvas, which windows of `crop` pixels cover.

    Attributes:
        resize: side of the square, 32 to 4096 pixels; with `windows` it is `crop`.
        crop: side of its middle that is inspected, or of a window, 32 to `resize` pixels.
        white: the value of white in 16-bit images: 65535, or the maximum of the training images' camera with
            fewer bits, such as 4095.
        windows: where the windows lie; None inspects the square's middle.

    Raises:
        pydantic.ValidationError: a side is out of range, `crop` exceeds `resize`, or with `windows` differs
            from it, or windows lie further apart than `crop`.

    Example:
        >>> preprocessing = Preprocessing(resize=256, crop=224)
        >>> preprocessing.apply(frame).shape
        (224, 224, 3)
        >>> Preprocessing(resize=224, crop=256)
        Traceback (most recent call last):
            ...
        pydantic_core._pydantic_core.ValidationError: 1 validation error for Preprocessing
        ...crop (256) must not exceed resize (224)...
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resize: int = Field(default=256, ge=32, le=4096, description="side of the square, in pixels")
    crop: int = Field(
        default=224, ge=32, le=4096, description="side of its middle that is inspected, in pixels"
    )

    white: int = Field(
        default=FULL,
        ge=1,
        le=FULL,
        repr=False,
        description="the value of 16-bit images that is white, where their files don't say so",
    )
    windows: Windows | None = Field(
        default=None, repr=False, description="windows of the frame; null for one, the middle of the square"
    )

    @model_validator(mode="after")
    def _check_crop(self) -> Preprocessing:
        if self.crop > self.resize:
            raise ValueError(f"crop ({self.crop}) must not exceed resize ({self.resize})")
        if self.windows:
            if self.crop != self.resize:
                raise ValueError(f"with windows crop ({self.crop}) must be resize ({self.resize})")
            if max(self.windows.down, self.windows.across) > self.crop:
                raise ValueError(f"windows of {self.crop} pixels leave gaps")
        return self

    @property
    def margin(self) -> int:
        """Number of pixels of the resized square left of and above the crop.

        Example:
            >>> Preprocessing(resize=256, crop=224).margin
            16
        """
        return (self.resize - self.crop) // 2

    @property
    def canvas(self) -> tuple[int, int]:
        """Height and width of what is inspected, in pixels, as the network sees it.

        Example:
            >>> Preprocessing(resize=256, crop=224).canvas
            (224, 224)
        """
        return self.windows.canvas(self.crop) if self.windows else (self.crop, self.crop)

    @property
    def region(self) -> Region:
        """The rectangle of a frame that the canvas shows, as shares of the frame.

        Example:
            >>> Preprocessing(resize=256, crop=128).region
            Region(x=0.25, y=0.25, width=0.5, height=0.5)
        """
        if self.windows:
            return self.windows.region
        start, share = self.margin / self.resize, self.crop / self.resize
        return Region(x=start, y=start, width=share, height=share)

    @property
    def count(self) -> int:
        """Number of windows of a frame.

        Example:
            >>> Preprocessing().count
            1
        """
        return self.windows.count if self.windows else 1

    def find_outside(self, grid: tuple[int, int]) -> NDArray[np.bool_] | None:
        """Return which patches aren't inspected, bool `[H, W]`; None if all are. See `Windows.find_outside`.

        Args:
            grid: rows and columns, H and W.

        Example:
            >>> Preprocessing().find_outside((28, 28)) is None
            True
        """
        return self.windows.find_outside(self.crop, grid) if self.windows else None

    def find_repeated(self, grid: tuple[int, int]) -> NDArray[np.int64] | None:
        """Return the position whose features each one has, int64 `[P]`; None for its own.

        See `Windows.find_repeated`.

        Args:
            grid: rows and columns, H and W, P = H * W.

        Example:
            >>> Preprocessing().find_repeated((28, 28)) is None
            True
        """
        return self.windows.find_repeated(self.crop, grid) if self.windows else None

    def read(self, path: Path | str) -> NDArray[np.uint8]:
        """Read an image file, with the white of the training images.

        Args:
            path: the file.

        Returns:
            uint8 BGR `[H, W, 3]`.

        Raises:
            ImageError: as `read_image`.
            UsageError: as `read_image`.

        Example:
            >>> inspector.manifest.preprocessing.read(path / "golden" / "good.png").shape
            (48, 48, 3)
        """
        return read_image(path, self.white)

    def apply(self, frame: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Return what is inspected of a frame, as the network sees it.

        Shrinking averages over areas, so that fine texture doesn't alias and a thin scratch isn't lost;
        enlarging is bilinear. An oblong frame may need one for its width and the other for its height.

        Args:
            frame: uint8 or uint16, BGR `[H, W, 3]`, BGRA `[H, W, 4]` or grey `[H, W]`.

        Returns:
            uint8 BGR, contiguous: `[crop, crop, 3]`, or with windows the canvas `[h, w, 3]` (see `canvas`).

        Raises:
            FrameError: the frame has another dtype or shape, or a side shorter than 8 pixels; or with windows
                it is longer or shorter, for its height, than the training images by a quarter.

        Example:
            >>> crop = Preprocessing(resize=36, crop=32).apply(frame)
            >>> crop.shape, crop.dtype
            ((32, 32, 3), dtype('uint8'))
            >>> Preprocessing().apply(frame[:4])
            Traceback (most recent call last):
                ...
            softcore_runtime.errors.FrameError: a frame of 48 x 4 pixels is too small (at least 8)
        """
        image = to_bgr8(frame, self.white)
        height, width = image.shape[:2]
        if min(height, width) < SMALLEST_SIDE:
            raise FrameError(f"a frame of {width} x {height} pixels is too small (at least {SMALLEST_SIDE})")
        if not self.windows:
            square = _resize(image, self.resize, self.resize)
            start, stop = self.margin, self.margin + self.crop
            return np.ascontiguousarray(square[start:stop, start:stop], dtype=np.uint8)
        if not self.windows.fits(height, width):
            raise FrameError(
                f"a frame of {width} x {height} pixels has another shape than the training images of "
                f"{self.windows.frame}"
            )
        left, top, across, down = self.windows.region.place(height, width)
        return _resize(image[top : top + down, left : left + across], *self.canvas)

    def cut(self, frame: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Return the network's input for a frame, uint8 BGR `[count, crop, crop, 3]`; see `apply`.

        Example:
            >>> Preprocessing(resize=36, crop=32).cut(frame).shape
            (1, 32, 32, 3)
        """
        return self.split(self.apply(frame))

    def split(self, seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the windows of what `apply` gives, uint8 BGR `[count, crop, crop, 3]`.

        Example:
            >>> preprocessing = Preprocessing(resize=36, crop=32)
            >>> preprocessing.split(preprocessing.apply(frame)).shape
            (1, 32, 32, 3)
        """
        return self.windows.cut(seen, self.crop) if self.windows else seen[None]

    def window(self, height: int, width: int) -> Window:
        """Return the part of a frame of this size that is inspected.

        Args:
            height: height of the frame, in pixels.
            width: width of the frame, in pixels.

        Example:
            >>> Preprocessing(resize=256, crop=224).window(height=512, width=1024)
            Window(x=64.0, y=32.0, width=896.0, height=448.0)
        """
        if self.windows:
            left, top, breadth, length = self.windows.region.place(height, width)
            return Window(x=left, y=top, width=breadth, height=length)
        across, down = width / self.resize, height / self.resize
        return Window(
            x=self.margin * across, y=self.margin * down, width=self.crop * across, height=self.crop * down
        )

    def describe(self) -> str:
        """Describe in words how a frame is brought to the network's input.

        Example:
            >>> Preprocessing(resize=256, crop=224).describe()
            'frame resized to 256, inner 224 pixels inspected'
        """
        if not self.windows:
            return f"frame resized to {self.resize}, inner {self.crop} pixels inspected"
        height, width = self.canvas
        what = "frame" if self.windows.region == Region() else "region"
        count = "one window" if self.count == 1 else f"{self.count} windows"
        parted = ", each with a memory bank of its own" if self.windows.apart else ""
        return f"{what} resized to {width} x {height}, inspected in {count} of {self.crop} pixels{parted}"


def _resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    # In two steps: OpenCV averages over areas only if neither side grows.
    shrunk = (min(image.shape[1], width), min(image.shape[0], height))
    small = cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
