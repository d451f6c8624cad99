"""Exam: the labelled parts that a bundle was ever judged by, which its successors are judged by, too.

::

    exam/exam.json          the parts, the earliest first: see `ExamPart`
    exam/thumbnails-*.npy   uint8 BGR [n, 48, 48, 3], a small image of each

Not in the manifest, whose seal the ledger names: the exam grows with each calibration and decides nothing.
`exam.json` names the SHA-256 of the thumbnails.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.bundle.array_file import HEADER, parse_array
from softcore_runtime.bundle.bundle import EXAM_FOLDER
from softcore_runtime.bundle.strict_json import parse_json
from softcore_runtime.errors import BundleCorruptError
from softcore_runtime.images.file_names import to_text
from softcore_runtime.images.image_file import to_bgr8
from softcore_runtime.record import Record, Sha256
from softcore_runtime.regular_file import read_regular

__all__ = [
    "MOST_PARTS",
    "SIDE",
    "Exam",
    "ExamPart",
    "draw_exam_thumbnail",
    "name_part",
    "read_exam",
    "write_exam",
]

MOST_PARTS: Final = 10_000
SIDE: Final = 48  # of a thumbnail, in pixels
_FILE = "exam.json"
_NAME = 300  # longest name, in characters
_MOST_BYTES = 2**24  # more than so many parts with the longest names take
_GREY = 128
_ATTEMPTS = 10


class ExamPart(Record):
    """A labelled part, and what a bundle last decided on it."""

    sha256: Sha256 = Field(description="SHA-256 of the image's file, by which it is found again")
    bytes: int = Field(ge=0, description="size of that file")
    name: str = Field(max_length=_NAME, description="its folder's name and its own")
    label: Literal["good", "bad"] = Field(description="what a person says of the part")
    marked: Literal["export", "calibration"] = Field(description="the command that it was first given to")
    training: bool = Field(
        description="whether it was a training image: its score is then against the bank without its own "
        "entries"
    )
    score: float | None = Field(ge=0, description="its score; null where it can't be inspected")
    threshold: float = Field(gt=0, description="the threshold that it was decided by")
    decision: Literal["PASS", "REVIEW", "FAIL", "INVALID"] = Field(
        description="the decision by that threshold"
    )
    exported: datetime = Field(description="when the bundle that gave this score was exported")

    @model_validator(mode="after")
    def _check_score(self) -> ExamPart:
        if (self.score is None) != (self.decision == "INVALID"):
            raise ValueError("a score is null just where the decision is INVALID")
        return self

    @property
    def defective(self) -> bool:
        """Whether a person calls it bad.

        Example:
            >>> part.label, part.defective
            ('bad', True)
        """
        return self.label == "bad"


class _File(Record):
    """The content of `exam.json`."""

    version: Literal[1] = 1
    thumbnails: Sha256
    parts: tuple[ExamPart, ...] = Field(max_length=MOST_PARTS)

    @model_validator(mode="after")
    def _check_parts(self) -> _File:
        if len({part.sha256 for part in self.parts}) < len(self.parts):
            raise ValueError("a part comes twice")
        return self


def _no_thumbnails() -> NDArray[np.uint8]:
    return np.empty((0, SIDE, SIDE, 3), np.uint8)


@dataclass(frozen=True, eq=False)
class Exam:
    """The parts of an exam.

    Attributes:
        parts: each content once, the earliest first.
        thumbnails: uint8 BGR `[n, 48, 48, 3]`, of the same parts.

    Raises:
        ValueError: the thumbnails aren't those of so many parts.

    Example:
        >>> exam = Exam().add([part], [draw_exam_thumbnail(bad_frame)])
        >>> len(exam.parts), exam.thumbnails.shape, exam.find(part.sha256) == part
        (1, (1, 48, 48, 3), True)
    """

    parts: tuple[ExamPart, ...] = ()
    thumbnails: NDArray[np.uint8] = field(default_factory=_no_thumbnails)

    def __post_init__(self) -> None:
        shape = (len(self.parts), SIDE, SIDE, 3)
        if self.thumbnails.shape != shape or self.thumbnails.dtype != np.uint8:
            raise ValueError(f"thumbnails must be uint8 {list(shape)}")

    def find(self, sha256: str) -> ExamPart | None:
        """Return the part with this content; None if there is none."""
        return next((part for part in self.parts if part.sha256 == sha256), None)

    def add(self, parts: Sequence[ExamPart], thumbnails: Sequence[NDArray[np.uint8]]) -> Exam:
        """Return the exam with parts added. One whose content is there takes that one's place.

        Of more than `MOST_PARTS` the bad ones and then the latest stay.

        Args:
            parts: the parts.
            thumbnails: uint8 `[48, 48, 3]` of each.
        """
        known = {part.sha256: (part, image) for part, image in zip(self.parts, self.thumbnails, strict=True)}
        known |= {part.sha256: (part, image) for part, image in zip(parts, thumbnails, strict=True)}
        rows = [*known.values()]
        if len(rows) > MOST_PARTS:
            order = sorted(range(len(rows)), key=lambda row: (not rows[row][0].defective, -row))
            rows = [rows[row] for row in sorted(order[:MOST_PARTS])]
        images = np.stack([image for _, image in rows]) if rows else _no_thumbnails()
        return Exam(tuple(part for part, _ in rows), images)


def draw_exam_thumbnail(frame: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Shrink a frame to uint8 BGR `[48, 48, 3]`; what an oblong one leaves free is grey.

    Raises:
        FrameError: the frame is no image.

    Example:
        >>> draw_exam_thumbnail(bad_frame).shape
        (48, 48, 3)
    """
    image = to_bgr8(frame)
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    drawn = np.full((SIDE, SIDE, 3), _GREY, np.uint8)
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    drawn[top : top + size[1], left : left + size[0]] = small
    return drawn


def name_part(path: Path) -> str:
    """Return the name of a part's file with its folder's, without the rest of the path.

    Example:
        >>> name_part(Path("/home/anna/checked/bad/03.png"))
        'bad/03.png'
    """
    return to_text("/".join(path.absolute().parts[-2:]).lstrip("/"))[-_NAME:]


def read_exam(path: Path) -> Exam:
    """Read a bundle's exam; one without parts if the bundle has none.

    Args:
        path: the bundle's folder.

    Raises:
        BundleCorruptError: it was damaged.

    Example:
        >>> read_exam(path).parts
        ()
    """
    file = path / EXAM_FOLDER / _FILE
    for attempt in range(_ATTEMPTS):
        try:
            data = read_regular(file, _MOST_BYTES)[0]
        except (FileNotFoundError, NotADirectoryError):
            return Exam()
        except (OSError, ValueError) as error:
            raise BundleCorruptError(
                f"{file}: the exam can't be read ({getattr(error, 'strerror', error)})"
            ) from error
        content = _parse(data, file)
        images = _thumbnails_file(file.parent, content.thumbnails)
        try:
            pixels = read_regular(images, HEADER + len(content.parts) * SIDE * SIDE * 3)[0]
            break
        except (OSError, ValueError) as error:
            if attempt < _ATTEMPTS - 1:  # it was just replaced
                continue
            reason = getattr(error, "strerror", error)
            raise BundleCorruptError(f"{images}: the exam can't be read ({reason})") from error
    if hashlib.sha256(pixels).hexdigest() != content.thumbnails:
        raise BundleCorruptError(f"{images}: changed since it was written; copy the bundle again")
    try:
        return Exam(content.parts, parse_array(pixels, images))
    except ValueError as error:
        raise BundleCorruptError(f"{images}: {error}") from error


def write_exam(path: Path, exam: Exam) -> None:
    """Write a bundle's exam in one step; an earlier one stays until it is complete.

    Args:
        path: the bundle's folder.
        exam: what to write.

    Raises:
        OSError: it can't be written.

    Example:
        >>> write_exam(path, Exam().add([part], [draw_exam_thumbnail(bad_frame)]))
        >>> [part.name for part in read_exam(path).parts]
        ['bad/03.png']
    """
    folder = path / EXAM_FOLDER
    folder.mkdir(exist_ok=True)
    stream = io.BytesIO()
    np.save(stream, exam.thumbnails, allow_pickle=False)
    pixels = stream.getvalue()
    content = _File(thumbnails=hashlib.sha256(pixels).hexdigest(), parts=exam.parts)
    images = _thumbnails_file(folder, content.thumbnails)
    draft = folder / ".exam.partial"  # one for both: the next exam takes over what a killed process left
    write_atomically(images, pixels, mode=0o644, draft=draft)
    write_atomically(folder / _FILE, content.model_dump_json(indent=1) + "\n", mode=0o644, draft=draft)
    _delete_others(folder.glob("thumbnails-*.npy"), images)


def _thumbnails_file(folder: Path, sha256: str) -> Path:
    return folder / f"thumbnails-{sha256[:16]}.npy"


def _delete_others(files: Iterable[Path], kept: Path) -> None:
    for file in files:
        if file != kept:
            with contextlib.suppress(OSError):
                file.unlink()


def _parse(data: bytes, file: Path) -> _File:
    try:
        parse_json(data)
        return _File.model_validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(part if str(part).isprintable() else ascii(part) for part in map(str, first["loc"]))
        raise BundleCorruptError(f"{file}: not an exam ({place}: {first['msg']})") from error
    except ValueError as error:
        raise BundleCorruptError(f"{file}: not an exam ({error})") from error
