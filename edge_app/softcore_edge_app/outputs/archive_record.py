"""Archive record: the files of a kept part, their names, and the reader and writer of its sidecar.

::

    FOLDER/2026-11-25/CAMERA/08-15-30.123456_TRIGGER_FAIL.png           the frame as it was inspected
                             08-15-30.123456_TRIGGER_FAIL.overlay.jpg   where there was an inspection
                             08-15-30.123456_TRIGGER_FAIL.json          the sidecar, written last

Day and time are the trigger's, in UTC.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, PlainSerializer, ValidationError
from softcore_runtime import Decision
from softcore_runtime.record import Record, Sha256

from softcore_edge_app.decisions.decision_record import DecisionRecord

__all__ = [
    "FORMAT",
    "IMAGE",
    "OVERLAY",
    "SIDECAR",
    "SUFFIXES",
    "ArchiveRecord",
    "ArchivedImage",
    "Kept",
    "format_moment",
    "list_kept",
    "read_sidecar",
    "remove_files",
    "size_on_disk",
    "write_sidecar",
]

FORMAT: Final = 1
IMAGE, OVERLAY, SIDECAR = ".png", ".overlay.jpg", ".json"
SUFFIXES = (SIDECAR, IMAGE, OVERLAY)  # as they are removed: a sidecar never stands without its image

_LONGEST = 80  # characters of a camera's or trigger's name in a file's, which may be 255 bytes
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_PLAIN = re.compile(r"[A-Za-z0-9-][A-Za-z0-9._-]*")
_NAME = re.compile(
    r"(?P<stem>(?P<time>\d\d-\d\d-\d\d\.\d{6})_[A-Za-z0-9-][A-Za-z0-9._-]*_(?P<decision>PASS|REVIEW|FAIL|INVALID))"
    rf"(?:{'|'.join(map(re.escape, SUFFIXES))})"
)
_BLOCK = 4096  # bytes of a file system's block, by default everywhere


class ArchivedImage(Record):
    """The frame's image: the SHA-256 of its PNG file, and its size in pixels."""

    sha256: Sha256
    height: int = Field(gt=0)
    width: int = Field(gt=0)


class ArchiveRecord(Record):
    """The content of a sidecar.

    Attributes:
        format: the sidecar's own.
        softcore: the version that decided.
        record: the decision, as the ledger has it.
        image: the inspected image; None if there was none.
    """

    format: Literal[1] = FORMAT
    softcore: str = Field(default_factory=lambda: version("softcore"))
    record: Annotated[DecisionRecord, PlainSerializer(DecisionRecord.content)] = Field(alias="entry")
    image: ArchivedImage | None = Field(alias="picture")


@dataclass(frozen=True, order=True, slots=True)
class Kept:
    """A part in an archive, as its files' names say; sorts by time.

    Attributes:
        moment: when it was triggered, see `format_moment`.
        path: of its files, relative to the archive's folder and without their suffixes.
        decision: on it.
    """

    moment: str
    path: str
    decision: Decision

    @classmethod
    def place(cls, record: DecisionRecord) -> Kept:
        """Return where a decision's files are; cameras and triggers may have any name."""
        moment = format_moment(record.triggered_at)
        day, _, time = moment.partition("/")
        name = f"{time}_{_plain(record.trigger)}_{record.decision}"
        return cls(moment, f"{day}/{_plain(record.camera)}/{name}", record.decision)

    def file(self, folder: Path, suffix: str) -> Path:
        """Name one of its files; `suffix` is one of `SUFFIXES`."""
        return folder / f"{self.path}{suffix}"


def format_moment(nanoseconds: int) -> str:
    """Write a time in ns of UTC since 1970 as day and time, so that texts sort as times do."""
    time = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=nanoseconds // 1000)
    return time.strftime("%Y-%m-%d/%H-%M-%S.%f")


def list_kept(folder: Path) -> Iterator[dict[Kept, int]]:
    """List the parts under an archive's folder, a camera's day at a time, the oldest day first.

    What has none of an archive's names, or is reached by a link, is foreign and passed over; so is what
    can't be listed, or is just being removed.

    Returns:
        the parts, and the bytes that their files take on the disk.
    """
    for day in _folders(folder, _DAY):
        for camera in _folders(folder / day, _PLAIN):
            found: dict[Kept, int] = defaultdict(int)
            with suppress(OSError), os.scandir(folder / day / camera) as files:
                for file in files:
                    name = _NAME.fullmatch(file.name)
                    if name and file.is_file(follow_symlinks=False):
                        path = f"{day}/{camera}/{name['stem']}"
                        kept = Kept(f"{day}/{name['time']}", path, Decision(name["decision"]))
                        found[kept] += size_on_disk(file.stat(follow_symlinks=False).st_size)
            yield found


def remove_files(folder: Path, kept: Kept) -> None:
    """Remove a part's files, as far as they are there, and the folders that are empty then.

    Raises:
        OSError: one can't be removed.
    """
    for suffix in SUFFIXES:
        kept.file(folder, suffix).unlink(missing_ok=True)
    camera = (folder / kept.path).parent
    with suppress(OSError):  # not empty, mostly
        camera.rmdir()
        camera.parent.rmdir()


def size_on_disk(size: int) -> int:
    """Round a file's bytes up to what they take; a small file takes a block."""
    return -(-size // _BLOCK) * _BLOCK


def read_sidecar(file: Path) -> ArchiveRecord:
    """Read a sidecar.

    Raises:
        OSError: it can't be read.
        ValueError: it is no sidecar, or one of a later format; one line.
    """
    try:
        return ArchiveRecord.model_validate_json(file.read_bytes(), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{file}: no sidecar of this SoftCore's ({place}: {first['msg']})") from error


def write_sidecar(record: DecisionRecord, shape: tuple[int, ...] | None, png: bytes | None) -> bytes:
    """Write a sidecar's content.

    Args:
        record: the decision.
        shape: the frame's `[H, W, ...]`; None where it has no image.
        png: its image's file, likewise.
    """
    image = None
    if shape is not None and png is not None:
        digest = hashlib.sha256(png).hexdigest()
        image = ArchivedImage(sha256=digest, height=shape[0], width=shape[1])
    return (
        ArchiveRecord(record=record, image=image).model_dump_json(indent=2, by_alias=True) + "\n"
    ).encode()


def _folders(folder: Path, name: re.Pattern[str]) -> list[str]:
    with suppress(OSError), os.scandir(folder) as entries:
        return sorted(e.name for e in entries if name.fullmatch(e.name) and e.is_dir(follow_symlinks=False))
    return []


def _plain(name: str) -> str:
    """Keep letters, digits, dots and hyphens; a name that loses something gets its hash."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:_LONGEST].lstrip("._")
    if plain and plain == name:
        return plain
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")
