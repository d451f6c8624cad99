"""Bundle files: reads a file of a bundle, and verifies it against the manifest."""

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
    """Compare the file `name` of the bundle at `path` with its record in the manifest.

    Raises:
        BundleCorruptError: it is missing, no regular file, outside the bundle, or was changed.
    """
    with _open_checked(path, name, record) as stream:
        digest = hashlib.sha256()
        left = record.bytes
        while left and (block := stream.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
    _check_digest(path / name, digest.hexdigest(), record)


def read_file(path: Path, name: str, record: FileRecord) -> bytes:
    """Return the content of the file `name` of the bundle at `path` that was compared with the manifest.

    Raises:
        BundleCorruptError: as `verify_file`.
    """
    with _open_checked(path, name, record) as stream:
        data = stream.read(record.bytes)
    _check_digest(path / name, hashlib.sha256(data).hexdigest(), record)
    return data


@contextmanager
def _open_checked(path: Path, name: str, record: FileRecord) -> Iterator[BinaryIO]:
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
    except (RuntimeError, ValueError) as error:  # links in a circle; an impossible name
        raise BundleCorruptError(f"{file}: missing from the bundle ({error})") from error


def _check_digest(file: Path, digest: str, record: FileRecord) -> None:
    if digest != record.sha256:
        raise BundleCorruptError(f"{file}: changed since it was written; copy or export the bundle again")
