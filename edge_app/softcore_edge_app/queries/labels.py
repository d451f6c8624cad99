"""Labels: images of parts that a person marked good or bad, in folders for `softcore-calibrate`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from softcore_runtime import UsageError
from softcore_runtime.atomic_file import write_atomically

from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.ledger.check import open_ledger
from softcore_edge_app.ledger.row import Row
from softcore_edge_app.outputs.archive_record import IMAGE, SIDECAR, Kept, read_sidecar
from softcore_edge_app.queries.parts import PARTS, Part

__all__ = ["LabelExport", "export_labels"]

_MARKS = ("good", "bad")


@dataclass(frozen=True)
class LabelExport:
    """The outcome: the number of images of each mark, and the parts without an image, with the reason."""

    counts: dict[str, int]
    missing: list[str]


def export_labels(path: Path, archive: Path, out: Path, category: str | None = None) -> LabelExport:
    """Copy the images of marked parts to `out`/good and `out`/bad.

    An image is copied only if its sidecar agrees with the ledger and has the image's hash.

    Args:
        path: the ledger.
        archive: the folder where the line kept images.
        out: where to; neither folder may hold anything.
        category: of the parts; None if all marked parts are of one.

    Raises:
        UsageError: there is nothing to copy, the parts are of several categories, or `out` holds something.
        LedgerError: the ledger can't be read.
        OSError: an image can't be written.
    """
    if not archive.is_dir():
        raise UsageError(f"--archive {archive}: no such folder")
    parts = [part for part in _read_marked(path) if category in (None, part.row.record.category)]
    categories = sorted({part.row.record.category for part in parts})
    if not parts:
        raise UsageError(f"{path}: no part{f' of {category}' if category else ''} is marked good or bad")
    if len(categories) > 1:
        raise UsageError(f"marked parts are of {', '.join(categories)}; choose one with --category")
    for mark in _MARKS:
        if (out / mark).exists() and (not (out / mark).is_dir() or any((out / mark).iterdir())):
            raise UsageError(f"--out {out}: {out / mark} is not empty; marks may have changed since")
    counts, missing = dict.fromkeys(_MARKS, 0), []
    for part in parts:
        record, mark = part.row.record, str(part.mark)
        try:
            image = _read_image(archive, record)
        except (OSError, ValueError) as error:
            missing.append(f"{record.trigger}: {(isinstance(error, OSError) and error.strerror) or error}")
            continue
        folder = out / mark
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{Path(Kept.place(record).path).name}{IMAGE}", image, durable=False)
        counts[mark] += 1
    if not any(counts.values()):
        raise UsageError(
            f"--archive {archive}: has an image of none of the {len(parts)} marked parts ({missing[0]})"
        )
    return LabelExport(counts, missing)


def _read_marked(path: Path) -> list[Part]:
    with open_ledger(path) as connection:
        found = connection.execute(f"{PARTS} WHERE mark IS NOT NULL ORDER BY rows.number").fetchall()
    return [Part(Row.read(values[:-1]), values[-1]) for values in found]


def _read_image(archive: Path, record: DecisionRecord) -> bytes:
    """Read a part's image.

    Raises:
        OSError: there is none, or it can't be read.
        ValueError: it isn't the image that was decided on.
    """
    kept = Kept.place(record)
    sidecar = read_sidecar(kept.file(archive, SIDECAR))
    if sidecar.record != record:
        raise ValueError("its sidecar says otherwise than the ledger")
    if sidecar.image is None:
        raise ValueError("no image was taken of it")
    image = kept.file(archive, IMAGE).read_bytes()
    if hashlib.sha256(image).hexdigest() != sidecar.image.sha256:
        raise ValueError("its image was changed")
    return image
