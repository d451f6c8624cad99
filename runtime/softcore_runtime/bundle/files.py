"""Bundle files: reads a file of a bundle, and finds out whether it is the one that was written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from softcore_runtime.bundle.manifest import FileRecord
from softcore_runtime.errors import BundleCorruptError
from softcore_runtime.regular_file import open_regular

__all__ = ["read_file", "verify_file"]

_BLOCK = 1 << 20


def verify_file(path: Path, name: str, record: FileRecord) -> None:
    """Compare the file `name` of the bundle at `path` with what the manifest says of it.

    Raises:
        BundleCorruptError: it is missing, no regular file, outside the bundle, or another.
    """
    with _open(path, name, record) as stream:
        digest = hashlib.sha256()
        left = record.bytes
        while left and (block := stream.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
    _compare(path / name, digest.hexdigest(), record)


def read_file(path: Path, name: str, record: FileRecord) -> bytes:
    """Read the file `name` of the bundle at `path`: what was compared with the manifest, and nothing later.

    Raises:
        BundleCorruptError: as `verify_file`.
    """
    with _open(path, name, record) as stream:
        data = stream.read(record.bytes)
    _compare(path / name, hashlib.sha256(data).hexdigest(), record)
    return data


@contextmanager
def _open(path: Path, name: str, record: FileRecord) -> Iterator[BinaryIO]:
    file = path / name
    try:
        if not file.resolve().is_relative_to(path.resolve()):
            raise BundleCorruptError(f"{file}: lies outside the bundle")
        with open_regular(file) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size != record.bytes:
                raise BundleCorruptError(
                    f"{file}: {size} bytes, the manifest says {record.bytes}; copy it again"
                )
            yield stream
    except OSError as error:
        raise BundleCorruptError(f"{file}: missing from the bundle ({error.strerror})") from error
    except (RuntimeError, ValueError) as error:  # links that lead to each other; an impossible name
        raise BundleCorruptError(f"{file}: missing from the bundle ({error})") from error


def _compare(file: Path, digest: str, record: FileRecord) -> None:
    if digest != record.sha256:
        raise BundleCorruptError(f"{file}: changed since it was written; copy or export the bundle again")
