"""Feature store: arrays that were computed of one image each, kept on disk by what they were computed from.

An entry's name is the SHA-256 of everything that its arrays depend on, so that nothing in the store can be
out of date: another network, another preprocessing or another image has another name. An entry that is
damaged is deleted and computed again, never believed::

    ~/.cache/softcore/features/3f/3f29...    SHA-256 of the rest, then numpy's .npz

Several processes may use a store at once. Entries are written under another name and renamed, and a process
that finds an entry deleted computes it again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.cli.progress import print_message
from softcore_runtime.errors import UsageError

__all__ = ["SIZE_VARIABLE", "Contents", "FeatureStore", "StoreSection", "find_store", "open_store"]

SIZE_VARIABLE: Final = "SOFTCORE_FEATURES_GB"
_USUAL_GB = 20.0
_GB = 1e9  # bytes
_DIGEST = hashlib.sha256().digest_size
_KEY = re.compile(r"[0-9a-f]{64}")
_DRAFT = re.compile(r"\.[0-9a-f]{64}\.partial")
_ABANDONED = 3600.0  # seconds after which an unfinished entry belongs to no running process

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Contents:
    """What a store holds.

    Attributes:
        entries: number of entries.
        bytes: size of all.
    """

    entries: int
    bytes: int


class FeatureStore:
    """Entries in a folder, the least recently used of which are deleted where they exceed a size.

    What this process has used stays: where that alone exceeds the size, nothing more is stored.

    Args:
        place: the folder; it is made when something is stored.
        most: bytes that all entries may take.

    Example:
        >>> store = FeatureStore(folder, most=10**9)
        >>> store.put("ab" * 32, {"features": np.zeros((4, 2), np.float32)})
        >>> store.get("ab" * 32)["features"].shape, store.get("cd" * 32) is None, store.measure().entries
        ((4, 2), True, 1)
    """

    def __init__(self, place: Path, most: int) -> None:
        self.place, self.most = place, most
        self._begun = time.time()
        self._size: int | None = None  # about; other processes write, too
        self._writes = True

    def get(self, key: str) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of an entry, and note that it was used; None if it is missing or damaged."""
        file = self._locate(key)
        try:
            data = file.read_bytes()
        except OSError:
            return None
        arrays = _unpack(data)
        with contextlib.suppress(OSError):  # a folder that may only be read; another process has deleted it
            if arrays is None:
                file.unlink()
            else:
                os.utime(file)
        return arrays

    def put(self, key: str, arrays: Arrays) -> None:
        """Store the arrays of an entry; if that fails it is said once, and nothing more is stored."""
        if not self._writes:
            return
        data = _pack(arrays)
        try:
            if not self._make_room(len(data)):
                return
            file = self._locate(key)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, data, durable=False)  # what a power cut spoils is found to be damaged
        except OSError as error:
            self._writes = False
            print_message(
                f"warning: {self.place}: can't be written ({error.strerror}); the next export computes "
                "all features again"
            )

    def measure(self) -> Contents:
        """Count the entries and their bytes."""
        sizes = [size for _, _, size in self._list()]
        return Contents(len(sizes), sum(sizes))

    def clean(self, keep: int = 0) -> Contents:
        """Delete the least recently used entries until at most `keep` bytes are left.

        Returns:
            what was deleted.

        Raises:
            OSError: an entry can't be deleted.
        """
        return self._delete(keep, math.inf)

    def _locate(self, key: str) -> Path:
        return self.place / key[:2] / key

    def _make_room(self, size: int) -> bool:
        """Delete entries that this process hasn't used, if room is needed; return whether there is room."""
        if self._size is None:
            self._size = self.measure().bytes
        if self._size + size > self.most:
            # A tenth at a time, so that the folder isn't listed for each entry.
            self._delete(int(0.9 * self.most), self._begun)
            self._size = self.measure().bytes
        if self._size + size > self.most:
            return False
        self._size += size
        return True

    def _delete(self, keep: int, before: float) -> Contents:
        """Delete the least recently used entries, of those that were used before a time."""
        entries = sorted(self._list(), key=lambda entry: entry[1])
        left, deleted, freed = sum(size for _, _, size in entries), 0, 0
        for file, used, size in entries:
            if left <= keep or used >= before:
                break
            file.unlink(missing_ok=True)
            left, deleted, freed = left - size, deleted + 1, freed + size
        for draft in self._list_abandoned():
            draft.unlink(missing_ok=True)
        return Contents(deleted, freed)

    def _list(self) -> Iterator[tuple[Path, float, int]]:
        """Yield each entry with the time of its last use and its size."""
        for file in _walk(self.place):
            if _KEY.fullmatch(file.name):
                with contextlib.suppress(FileNotFoundError):
                    found = file.stat()
                    yield Path(file), found.st_mtime, found.st_size

    def _list_abandoned(self) -> Iterator[Path]:
        """Yield unfinished entries of processes that were killed."""
        for file in _walk(self.place):
            if _DRAFT.fullmatch(file.name):
                with contextlib.suppress(FileNotFoundError):
                    if file.stat().st_mtime < time.time() - _ABANDONED:
                        yield Path(file)


class StoreSection:
    """The entries of one kind: those that depend on the same things beside the image.

    Args:
        store: where they are; None keeps nothing.
        identity: all that they depend on beside the image's file, as JSON can hold it.

    Example:
        >>> section = StoreSection(FeatureStore(folder, most=10**9), {"network": "resnet18"})
        >>> section.put("ab" * 32, {"features": np.zeros((4, 2), np.float32)})
        >>> section.get("ab" * 32)["features"].shape
        (4, 2)
        >>> StoreSection(FeatureStore(folder, most=10**9), {"network": "other"}).get("ab" * 32) is None
        True
    """

    def __init__(self, store: FeatureStore | None, identity: Mapping[str, object]) -> None:
        self._store = store
        self._identity = json.dumps(identity, sort_keys=True)

    def get(self, digest: str) -> dict[str, NDArray[Any]] | None:
        """Return what is known of an image, by the SHA-256 of its file; None if nothing is."""
        return self._store.get(self._key(digest)) if self._store else None

    def put(self, digest: str, arrays: Arrays) -> None:
        """Store what was computed of an image."""
        if self._store:
            self._store.put(self._key(digest), arrays)

    def _key(self, digest: str) -> str:
        return hashlib.sha256(f"{self._identity}\n{digest}".encode()).hexdigest()


def find_store() -> FeatureStore:
    """Find the user's store: `softcore/features` in `$XDG_CACHE_HOME`, else in `~/.cache`.

    Raises:
        UsageError: SOFTCORE_FEATURES_GB is no number of gigabytes, or the user has no home.
    """
    given = os.environ.get(SIZE_VARIABLE, "")
    try:
        most = float(given or _USUAL_GB)
    except ValueError:
        most = math.nan
    if not 0 <= most < math.inf:
        raise UsageError(f"{SIZE_VARIABLE}={given}: must be a number of gigabytes from 0 up")
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError as error:  # as a user of a container may have none
        raise UsageError("there is no home for a cache; name a folder with XDG_CACHE_HOME") from error
    return FeatureStore(cache / "softcore" / "features", int(most * _GB))


def open_store() -> FeatureStore | None:
    """Open the user's store for an export; None where its size is set to 0, or there is no place for it.

    Raises:
        UsageError: SOFTCORE_FEATURES_GB is no number of gigabytes.
    """
    try:
        store = find_store()
    except UsageError as error:
        if isinstance(error.__cause__, RuntimeError):
            print_message(f"warning: {error}; the next export computes all features again")
            return None
        raise
    return store if store.most else None


def _walk(place: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the files in the folders of a folder; none if it is missing."""
    try:
        folders = [entry.path for entry in os.scandir(place) if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return
    for folder in folders:
        with os.scandir(folder) as files:
            yield from files


def _pack(arrays: Arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    data = stream.getvalue()
    return hashlib.sha256(data).digest() + data


def _unpack(data: bytes) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of an entry's file; None if it is damaged."""
    digest, rest = data[:_DIGEST], data[_DIGEST:]
    if hashlib.sha256(rest).digest() != digest:
        return None
    with np.load(io.BytesIO(rest), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
