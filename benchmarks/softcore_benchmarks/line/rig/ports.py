"""Ports: free ports of this machine's loopback address."""

from __future__ import annotations

import socket

__all__ = ["find_free_port"]


def find_free_port() -> int:
    """Return a TCP port on 127.0.0.1 that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
