"""Replay records: recorded decisions and their images, from an archive, or a ledger and its archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from softcore_runtime import LedgerError

from softcore_edge_app.decisions.decision_record import CONTENT, DecisionRecord
from softcore_edge_app.ledger.check import verify_ledger
from softcore_edge_app.ledger.row import Row
from softcore_edge_app.outputs.archive_record import (
    IMAGE,
    SIDECAR,
    ArchivedImage,
    list_kept,
    read_sidecar,
)
from softcore_edge_app.queries.export import ExportSelection

__all__ = ["Recorded", "read_archive", "read_ledger"]


@dataclass(frozen=True)
class Recorded:
    """A recorded decision.

    Attributes:
        name: path of its sidecar in the archive.
        file: path of its image, which may be missing.
        record: the decision; None if the sidecar can't be read.
        image: the image's description in the sidecar; None if there was no image.
        fault: what is wrong with the record itself, or None.
    """

    name: str
    file: Path
    record: DecisionRecord | None
    image: ArchivedImage | None
    fault: str | None = None


def read_archive(folder: Path) -> Iterator[Recorded]:
    """Yield the parts of an archive, the oldest day first; parts without a sidecar were never finished."""
    for found in list_kept(folder):
        for kept in sorted(found):
            sidecar, image = kept.file(folder, SIDECAR), kept.file(folder, IMAGE)
            name = f"{kept.path}{SIDECAR}"
            try:
                archived = read_sidecar(sidecar)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                yield Recorded(name, image, None, None, str(error).removeprefix(f"{sidecar}: "))
            else:
                yield Recorded(name, image, archived.record, archived.image)


def read_ledger(path: Path, archive: Path) -> tuple[list[Recorded], int]:
    """Find a ledger's decisions in an archive; a sidecar that says otherwise than the ledger has a fault.

    Returns:
        the decisions that are in both, in the ledger's order, as the ledger has them; and how many are in
        the ledger alone.

    Raises:
        LedgerError: the ledger isn't whole; what it says is then worth nothing.
    """
    if fault := verify_ledger(path).fault:
        raise LedgerError(f"{path}: {fault}; nothing was replayed")
    archived = {one.record.trigger: one for one in read_archive(archive) if one.record}
    found, alone = [], 0
    for values in ExportSelection(corrected=False).read(path):
        record = Row.read(values).record
        recorded = archived.get(record.trigger)
        if recorded is None:
            alone += 1
        else:
            found.append(_compare(record, recorded))
    return found, alone


def _compare(record: DecisionRecord, archived: Recorded) -> Recorded:
    ledger, sidecar = vars(record), vars(archived.record)
    others = [f"{name} {sidecar[name]!r}" for name in CONTENT if sidecar[name] != ledger[name]]
    fault = None
    if others:
        fault = f"the sidecar says {', '.join(others)}, which the ledger doesn't"
    return Recorded(archived.name, archived.file, record, archived.image, fault)
