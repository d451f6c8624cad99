from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from softcore_export.mapped_pages import release_pages


def count_resident(file: Path) -> int:
    """Kibibytes of a mapped file that are in this process's memory."""
    parts = Path("/proc/self/smaps").read_text().split(f"{file}\n")[1:]
    return sum(int(re.search(r"^Rss:\s+(\d+) kB", part, re.MULTILINE)[1]) for part in parts)


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_pages_that_were_read_are_given_back(tmp_path: Path) -> None:
    file = tmp_path / "features"
    values = np.random.default_rng(0).random((4, 256, 1024), np.float32)
    file.write_bytes(values.tobytes())
    mapped = np.memmap(file, np.float32, mode="r", shape=values.shape)
    np.testing.assert_array_equal(mapped, values)
    assert count_resident(file) == values.nbytes // 1024
    release_pages(np.asarray(mapped)[1:, ::2])  # a view of a view
    assert count_resident(file) == 0
    np.testing.assert_array_equal(mapped, values)


def test_other_arrays_stay_as_they_are() -> None:
    values = np.arange(12.0).reshape(3, 4)
    release_pages(values[1:])
    np.testing.assert_array_equal(values.ravel(), np.arange(12.0))
