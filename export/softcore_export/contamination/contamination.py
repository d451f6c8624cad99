"""Contamination: `contamination.json`, what an export found out about its training images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from softcore_runtime.errors import BundleCorruptError

__all__ = [
    "FILE",
    "Contamination",
    "Copy",
    "Estimate",
    "ImageRecord",
    "read_contamination",
    "write_contamination",
]

FILE = "contamination.json"

Share = Annotated[float, Field(ge=0, le=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(_Record):
    """The share of training images with a defect that stands out, and an interval for it."""

    value: Share
    low: Share
    high: Share

    @model_validator(mode="after")
    def _is_ordered(self) -> Estimate:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"must be low <= value <= high, not {self.low}, {self.value}, {self.high}")
        return self


class ImageRecord(_Record):
    """A training image.

    Attributes:
        path: below the training folder, with slashes.
        sha256: of its file.
        suspicion: how suspect it is; 1 is the threshold above which the export leaves something of it out.
        decision: what was done. A person's choices, in `choices.json`, overrule what the export would do.
    """

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    suspicion: float
    decision: Literal["kept", "patches excluded", "picture excluded"]


class Copy(_Record):
    """A training image that is another one once more.

    Attributes:
        path: below the training folder, with slashes.
        original: the same of the other one, which was learned.
        alike: it has the whole `content` of the other one's file, or shows its `pixels`, and then it wasn't
            learned; or it is `near` to it (saved anew, or moved by a pixel), and was learned, too.
    """

    path: str
    original: str
    alike: Literal["content", "pixels", "near"]


class Contamination(_Record):
    """All of the file; `images` has the most suspect first."""

    estimate: Estimate
    images: tuple[ImageRecord, ...]
    copies: tuple[Copy, ...] = ()

    @property
    def near(self) -> tuple[Copy, ...]:
        """Those of the copies that were learned all the same."""
        return tuple(copy for copy in self.copies if copy.alike == "near")


def write_contamination(folder: Path, contamination: Contamination) -> None:
    """Write the file into a bundle's folder."""
    (folder / FILE).write_text(contamination.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_contamination(folder: Path) -> Contamination:
    """Read the file from a bundle's folder.

    Raises:
        BundleCorruptError: it is missing or damaged.
    """
    path = folder / FILE
    try:
        return Contamination.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BundleCorruptError(f"{path}: missing from the bundle ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{part}: " for part in first["loc"])
        raise BundleCorruptError(f"{path}: {place}{first['msg']}") from error
