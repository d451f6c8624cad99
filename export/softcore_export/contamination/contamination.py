"""Contamination: `contamination.json`, what an export found out about its training images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["FILE", "Contamination", "ImageCopy", "ImageRecord", "ShareEstimate", "write_contamination"]

FILE = "contamination.json"

Share = Annotated[float, Field(ge=0, le=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ShareEstimate(_Record):
    """The share of training images with a visible defect.

    Attributes:
        value: the estimate; None where the images carry none, because defects may lie among the good images.
        low: lower bound.
        high: upper bound.
    """

    value: Share | None
    low: Share
    high: Share

    @model_validator(mode="after")
    def _is_ordered(self) -> ShareEstimate:
        middle = self.low if self.value is None else self.value
        if not self.low <= middle <= self.high:
            raise ValueError(f"must be low <= value <= high, not {self.low}, {self.value}, {self.high}")
        return self

    def describe(self) -> str:
        """Describe the estimate in words.

        Example:
            >>> ShareEstimate(value=0.1, low=0.05, high=0.2).describe()
            '10.0% of the training images, by estimate (5.0% to 20.0%)'
            >>> ShareEstimate(value=None, low=0, high=0.2).describe()
            'no estimate: defects may hide among good images that vary; up to 20.0% may be defective'
            >>> ShareEstimate(value=None, low=0.05, high=0.2).describe()
            'no estimate: defects may hide among good images that vary; 5.0% to 20.0% may be defective'
        """
        if self.value is not None:
            return f"{self.value:.1%} of the training images, by estimate ({self.low:.1%} to {self.high:.1%})"
        bounds = f"{self.low:.1%} to {self.high:.1%}" if self.low else f"up to {self.high:.1%}"
        return f"no estimate: defects may hide among good images that vary; {bounds} may be defective"


class ImageRecord(_Record):
    """A training image.

    Attributes:
        path: below the training folder, with slashes.
        sha256: of its file.
        suspicion: how suspect it is; above 1 the export leaves something of it out.
        decision: what was done. A person's choices, in `choices.json`, overrule the export's own decision.
    """

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    suspicion: float
    decision: Literal["kept", "patches excluded", "picture excluded"]


class ImageCopy(_Record):
    """A training image that is a copy of another one.

    Attributes:
        path: below the training folder, with slashes.
        original: path of the other image, which was learned.
        alike: `content` if the files are equal and `pixels` if the images are; such a copy was not learned.
            `near` if it is nearly the same image (saved anew, or moved by a pixel); it was learned, too.
    """

    path: str
    original: str
    alike: Literal["content", "pixels", "near"]


class Contamination(_Record):
    """All of the file; `images` has the most suspect first."""

    estimate: ShareEstimate
    images: tuple[ImageRecord, ...]
    copies: tuple[ImageCopy, ...] = ()

    @property
    def near(self) -> tuple[ImageCopy, ...]:
        """The near copies, which were learned."""
        return tuple(copy for copy in self.copies if copy.alike == "near")


def write_contamination(folder: Path, contamination: Contamination) -> None:
    """Write the file into a bundle's folder."""
    (folder / FILE).write_text(contamination.model_dump_json(indent=2) + "\n", encoding="utf-8")
