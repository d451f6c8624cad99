"""Preprocessing: resize and crop, the same function in training and inspection.

Everything after it (normalisation, the network, pooling) is inside `backbone.onnx`.
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
    leave the ends of an oblong image uninspected, and a defect there would escape.

    Attributes:
        resize: side of the square, 32 to 4096 pixels.
        crop: side of its middle that is inspected, 32 to `resize` pixels.
        white: the value of white in 16-bit images: 65535, or the maximum of the training images' camera with
            fewer bits, such as 4095.

    Raises:
        pydantic.ValidationError: a side is out of range, or `crop` exceeds `resize`.

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

    @model_validator(mode="after")
    def _check_crop(self) -> Preprocessing:
        if self.crop > self.resize:
            raise ValueError(f"crop ({self.crop}) must not exceed resize ({self.resize})")
        return self

    @property
    def margin(self) -> int:
        """Number of pixels of the resized square left of and above the crop.

        Example:
            >>> Preprocessing(resize=256, crop=224).margin
            16
        """
        return (self.resize - self.crop) // 2

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
        """Return the network's input for a frame.

        Shrinking averages over areas, so that fine texture doesn't alias and a thin scratch isn't lost;
        enlarging is bilinear. An oblong frame may need one for its width and the other for its height.

        Args:
            frame: uint8 or uint16, BGR `[H, W, 3]`, BGRA `[H, W, 4]` or grey `[H, W]`.

        Returns:
            uint8 BGR `[crop, crop, 3]`, contiguous.

        Raises:
            FrameError: the frame has another dtype or shape, or a side shorter than 8 pixels.

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
        # In two steps: OpenCV averages over areas only if neither side grows.
        shrunk = (min(width, self.resize), min(height, self.resize))
        small = cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA)
        square = cv2.resize(small, (self.resize, self.resize), interpolation=cv2.INTER_LINEAR)
        start, stop = self.margin, self.margin + self.crop
        return np.ascontiguousarray(square[start:stop, start:stop], dtype=np.uint8)

    def window(self, height: int, width: int) -> Window:
        """Return the part of a frame of this size that the crop shows.

        Args:
            height: height of the frame, in pixels.
            width: width of the frame, in pixels.

        Example:
            >>> Preprocessing(resize=256, crop=224).window(height=512, width=1024)
            Window(x=64.0, y=32.0, width=896.0, height=448.0)
        """
        across, down = width / self.resize, height / self.resize
        return Window(
            x=self.margin * across, y=self.margin * down, width=self.crop * across, height=self.crop * down
        )
