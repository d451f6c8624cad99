"""Listener: the socket of a line's HTTP port."""

from __future__ import annotations

import errno
import socket

from softcore_runtime.errors import UsageError

__all__ = ["listen"]

_REASONS = {
    errno.EADDRINUSE: "another program has this port, or this line is running already",
    errno.EACCES: "a port below 1024 takes root's rights, or a service: softcore-edge install-service",
    errno.EADDRNOTAVAIL: "no address of this machine",
}


def listen(host: str, port: int) -> socket.socket:
    """Listen at an address of this machine; port 0 is a free one.

    Raises:
        UsageError: the address is in use, or not this machine's, or takes rights that this process lacks.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except (OSError, UnicodeError) as error:  # UnicodeError: no valid name
        reason = "no host's name"
        if isinstance(error, OSError):
            # create_server repeats the address in its message.
            reason = _REASONS.get(error.errno or 0) or str(error.strerror).partition(" (")[0]
        raise UsageError(
            f"http: can't listen at {host} port {port} ({reason}); "
            "choose another with http.host and http.port"
        ) from error
