from __future__ import annotations

import subprocess

import pytest
from softcore_benchmarks.memory import peak_memory


def test_peak_memory_is_what_a_process_took() -> None:
    bare = peak_memory("pass")
    assert 3 < bare < 100
    filled = peak_memory(
        "import sys; x = bytearray(int(sys.argv[1])); x[::1000] = x[::1000]; del x", ["300000000"]
    )
    assert filled - bare == pytest.approx(300e6 / 2**20, rel=0.1)


def test_a_failure_is_no_measurement() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        peak_memory("raise SystemExit(3)")
