"""Window request: what a person asks of the windows, before the images are known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from softcore_runtime.images.windows import Region, Size

from softcore_export.windows.drawn_region import DrawnRegion

__all__ = ["RequestedRegion", "WindowRequest"]

_NUMBERS = re.compile(r"\s*(\d+(?:\.\d+)?)(%?)" + r"\s*,\s*(\d+(?:\.\d+)?)(%?)" * 3 + r"\s*")


class RequestedRegion(BaseModel):
    """A rectangle of the frame, of which each number is in pixels or in per cent.

    Attributes:
        numbers: left edge, upper edge, width and height.
        percent: for each, whether it is per cent of the frame's width or height.

    Example:
        >>> region = RequestedRegion.parse("10%,0,80%,400")
        >>> region.place(Size(width=1000, height=400))
        Region(x=0.1, y=0.0, width=0.8, height=1.0)
        >>> print(region)
        10%,0,80%,400
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    numbers: tuple[float, float, float, float]
    percent: tuple[bool, bool, bool, bool]

    @classmethod
    def parse(cls, text: str) -> RequestedRegion:
        """Read `X,Y,W,H`, each in pixels, or in per cent with a `%`.

        Raises:
            ValueError: it isn't that, or width or height is 0.
        """
        found = _NUMBERS.fullmatch(text)
        if not found:
            raise ValueError("must be X,Y,W,H: left, top, width and height in pixels, or each with a %")
        read = cls(
            numbers=tuple(map(float, found.groups()[::2])), percent=tuple(map(bool, found.groups()[1::2]))
        )
        if not all(read.numbers[2:]):
            raise ValueError("has no width or no height")
        return read

    def place(self, frame: Size) -> Region:
        """Return the region of a frame of this size.

        Raises:
            ValueError: it leaves the frame.
        """
        sides = (frame.width, frame.height) * 2
        x, y, width, height = (
            number / (100 if share else side)
            for number, share, side in zip(self.numbers, self.percent, sides, strict=True)
        )
        if x + width > 1 + 1e-9 or y + height > 1 + 1e-9:
            raise ValueError(f"leaves the frame of {frame} pixels")
        return Region(x=x, y=y, width=width, height=height)

    def __str__(self) -> str:
        return ",".join(
            f"{number:g}{'%' * share}" for number, share in zip(self.numbers, self.percent, strict=True)
        )


class WindowRequest(BaseModel):
    """What is asked of the windows; by itself, one square unless the images are oblong.

    Attributes:
        roi: the region to inspect, as `RequestedRegion` or in its words; `auto` finds the foreground that all
            images share (see `softcore_export.windows.foreground`); None inspects all of the frame.
        roi_image: an image that is white where the frame is inspected; in place of `roi`.
        drawn: what a person drew in the review; `roi` and `roi_image` overrule it.
        tile: side in the frame's pixels of what a window shows; None shows the region's shorter side.
        overlap: per cent of a window's side that neighbours have in common, at least.
        keep_aspect: show oblong regions in several windows instead of squeezing them to a square; `auto` does
            where the region's sides differ by more than 1.3 and all images have one shape.
        bank_per: whether the memory bank is `shared` among windows, or has a part for each `window`; `auto`
            shares it unless they show different things.

    Example:
        >>> WindowRequest(roi="0,0,50%,100%", tile=500).is_plain
        False
        >>> WindowRequest(keep_aspect=False).is_plain
        True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    roi: RequestedRegion | Literal["auto"] | None = None
    roi_image: Path | None = None
    drawn: DrawnRegion = DrawnRegion()
    tile: int | None = Field(default=None, ge=16, le=2**20)
    overlap: float = Field(default=12.5, ge=0, le=50, allow_inf_nan=False)
    keep_aspect: bool | Literal["auto"] = "auto"
    bank_per: Literal["auto", "window", "shared"] = "shared"

    @field_validator("roi", mode="before")
    @classmethod
    def _parse_roi(cls, value: Any) -> Any:
        return RequestedRegion.parse(value) if isinstance(value, str) and value != "auto" else value

    @model_validator(mode="after")
    def _check_tile(self) -> WindowRequest:
        if self.tile is not None and self.keep_aspect is False:
            raise ValueError("tiles are never squeezed")
        if self.roi is not None and self.roi_image is not None:
            raise ValueError("a region is given twice")
        return self

    @property
    def is_plain(self) -> bool:
        """Whether one square is asked for, whatever the images."""
        given = self.name_region() or self.drawn
        return not given and self.tile is None and self.keep_aspect is False

    def name_region(self) -> str:
        """Return the option that gives the region, with its value; empty if none does.

        Example:
            >>> WindowRequest(roi="0,0,50%,100%").name_region()
            '--roi 0,0,50%,100%'
        """
        if self.roi_image is not None:
            return f"--roi-image {self.roi_image}"
        return f"--roi {self.roi}" if self.roi is not None else ""
