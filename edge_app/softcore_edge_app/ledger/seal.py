"""Ledger seal: a fingerprint of the ledger's file, page by page, kept beside it while nobody writes.

The chain covers the rows. A file of SQLite also has bytes without a meaning: unused space, versions,
counters. The seal covers these, too: it has the file's SHA-256, and 16 hex digits of each page's SHA-256 to
say where.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from softcore_runtime.atomic_file import flush_folder, write_atomically
from softcore_runtime.regular_file import open_regular

from softcore_edge_app.ledger.layout import Counts

__all__ = ["PAGE", "Seal", "read_seal", "remove_seal", "seal_path", "write_seal"]

PAGE = 4096  # bytes
_DIGITS = 16  # of a page's hash: it only says where, the file's says whether
_HEAD, _LINE = 4096, _DIGITS + 1  # bytes of a seal's first line, at most, and of each page's


@dataclass(frozen=True)
class Seal:
    """The fingerprint of a ledger when it was closed.

    Attributes:
        counts: the counts in its header.
        sha256: SHA-256 of the file.
        pages: first digits of each page's SHA-256.
    """

    counts: Counts
    sha256: str
    pages: tuple[str, ...]

    @classmethod
    def compute(cls, path: Path, counts: Counts) -> Seal:
        """Compute the seal of a ledger's file, which takes about a second a gigabyte.

        Raises:
            OSError: it can't be read.
        """
        whole, pages = hashlib.sha256(), []
        with path.open("rb") as file:
            while page := file.read(PAGE):
                whole.update(page)
                pages.append(hashlib.sha256(page).hexdigest()[:_DIGITS])
        return cls(counts, whole.hexdigest(), tuple(pages))

    def dump(self) -> bytes:
        """Return the file's content: an object of JSON in the first line, then a line for each page."""
        fields = {**vars(self.counts), "sha256": self.sha256}
        return "".join(f"{line}\n" for line in (json.dumps(fields), *self.pages)).encode()

    def locate(self, now: Seal) -> str | None:
        """Return where the file is another than when it was sealed, or None."""
        if (self.sha256, self.pages) == (now.sha256, now.pages):
            return None
        if len(self.pages) != len(now.pages):
            return f"the file has {len(now.pages)} pages, and had {len(self.pages)} when it was closed"
        for number, (page, then) in enumerate(zip(now.pages, self.pages, strict=True)):
            if page != then:
                return f"page {number + 1} (bytes {number * PAGE} to {(number + 1) * PAGE - 1}) was changed"
        return "the seal was changed"


def seal_path(path: Path) -> Path:
    """Return the path of a ledger's seal."""
    return path.with_name(f"{path.name}.seal")


def read_seal(path: Path) -> Seal | None:
    """Read a ledger's seal; None where there is none: it is being written, or wasn't closed.

    Raises:
        ValueError: the seal isn't as it was written.
        OSError: it can't be read.
    """
    try:
        with open_regular(seal_path(path)) as file:
            most = _HEAD + _LINE * (path.stat().st_size // PAGE + 1)
            data = file.read(most + 1)
    except FileNotFoundError:
        return None
    if len(data) > most:
        raise ValueError("longer than a seal of this ledger")
    first, *pages = data.decode("ascii").splitlines()
    try:
        fields = json.loads(first)
        sha256 = fields.pop("sha256")
        seal = Seal(Counts(**fields), sha256, tuple(pages))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(str(error)) from error
    if seal.dump() != data:
        raise ValueError("another text")
    return seal


def write_seal(path: Path, seal: Seal) -> None:
    """Write a ledger's seal, whole or not at all.

    Raises:
        OSError: it can't be written; nothing of it is left.
    """
    write_atomically(seal_path(path), seal.dump())


def remove_seal(path: Path) -> None:
    """Remove a ledger's seal, on the disk too, before anything is written that it doesn't cover."""
    seal_path(path).unlink(missing_ok=True)
    flush_folder(path.parent)
