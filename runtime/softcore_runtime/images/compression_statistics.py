"""Compression statistics: how the training images of a bundle were compressed."""

from __future__ import annotations

from pydantic import Field

from softcore_runtime.record import Record

__all__ = ["CompressionStatistics", "ShareStatistics"]


class ShareStatistics(Record):
    """The distribution of a share over images, see `softcore_runtime.images.compression`."""

    centre: float = Field(ge=-1, le=1, description="median")
    spread: float = Field(ge=0, le=1, description="standard deviation")


class CompressionStatistics(Record):
    """How images were compressed, see `softcore_runtime.images.compression`."""

    images: int = Field(gt=0, description="number of images that were large enough to measure")
    blocks: ShareStatistics = Field(
        description="how much more is rounded to 0 on the grid of 8 x 8 blocks than beside it"
    )
    flat: ShareStatistics = Field(description="share of pixels that show no noise")
