"""Memory: keeps the C library from retaining the memory of threads that have ended."""

from __future__ import annotations

import ctypes
from contextlib import suppress

__all__ = ["limit_arenas"]

_M_ARENA_MAX = -8  # of glibc's malloc.h
_ARENAS = 2


def limit_arenas() -> None:
    """Make all threads of the process share two arenas; call it before there are many threads.

    glibc makes eight for each core, a thread takes one at random, and none returns its memory: a process
    whose camera is reopened, with a new thread each time, would grow by a megabyte each time. Other C
    libraries have no arenas, and are left alone.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
