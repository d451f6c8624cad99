"""Memory: keeps the C library from holding on to what threads that ended had in use."""

from __future__ import annotations

import ctypes
from contextlib import suppress

__all__ = ["limit_arenas"]

_M_ARENA_MAX = -8  # of glibc's malloc.h
_ARENAS = 2


def limit_arenas() -> None:
    """Let all threads of the process share two arenas; to be called before there are many.

    glibc makes eight of them a core, each thread takes one at random, and none gives back what it once held:
    a process whose camera comes and goes, with a new thread each time, would grow by a megabyte each time.
    Other C libraries have no such thing, and are left alone.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
