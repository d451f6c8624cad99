"""Array file: reads numpy's `.npy` files into memory; no pickle, no archive, no memory map."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.errors import BundleCorruptError
from softcore_runtime.regular_file import read_regular

__all__ = ["HEADER", "parse_array", "read_array"]

HEADER = 4096  # size limit of the header of an array of numbers, in bytes
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def parse_array(data: bytes, where: Path) -> NDArray[Any]:
    """Return the array in the content of a file, read-only.

    Raises:
        BundleCorruptError: it is no array of numbers, or its length contradicts its header.
    """
    stream = io.BytesIO(data)
    try:
        shape, by_column, dtype = _READERS[np.lib.format.read_magic(stream)](stream)
        if dtype.hasobject:
            raise ValueError("it holds objects")
        count = int(np.prod(shape, dtype=object))
        start = stream.tell()
        if len(data) - start != count * dtype.itemsize:
            raise ValueError(f"{len(data) - start} bytes for {count} numbers")
        numbers = np.frombuffer(data, dtype, count, start) if count else np.empty(0, dtype)
        return numbers.reshape(shape, order="F" if by_column else "C")
    except Exception as error:  # numpy's header parser raises undocumented kinds
        raise BundleCorruptError(f"{where}: not an array of numbers ({error})") from error


def read_array(file: Path, most: int) -> NDArray[Any]:
    """Read an array from a file of at most `most` bytes.

    Raises:
        BundleCorruptError: it can't be read, or is no array of numbers.
    """
    try:
        data, _ = read_regular(file, most)
    except (OSError, ValueError) as error:
        raise BundleCorruptError(f"{file}: can't be read ({getattr(error, 'strerror', error)})") from error
    return parse_array(data, file)
