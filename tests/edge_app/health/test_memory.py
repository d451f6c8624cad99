from __future__ import annotations

import platform
import subprocess
import sys

import pytest

THREADS = """
import ctypes, threading
{limit}
libc, barrier = ctypes.CDLL(None), threading.Barrier(21)
libc.malloc.restype = ctypes.c_void_p

def allocate():
    libc.malloc(100_000)
    barrier.wait()

for _ in range(20):
    threading.Thread(target=allocate).start()
barrier.wait()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_threads_share_two_arenas() -> None:
    """As glibc itself counts them."""

    def count(limit: str) -> int:
        code = THREADS.format(limit=limit)
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return ended.stdout.count("<heap nr=")

    limit = "from softcore_edge_app.health.memory import limit_arenas; limit_arenas()"
    assert count(limit) <= 2 < count("")
