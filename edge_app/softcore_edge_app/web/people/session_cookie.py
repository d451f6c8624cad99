"""Session cookie: holds a session's key in the browser, out of reach of scripts and of other sites."""

from __future__ import annotations

import re

from starlette.requests import HTTPConnection
from starlette.responses import Response

__all__ = ["delete_cookie", "read_cookie", "set_cookie"]


def read_cookie(connection: HTTPConnection) -> str:
    """Return the key that a request brings; empty without one."""
    return connection.cookies.get(_name(connection), "")


def set_cookie(answer: Response, connection: HTTPConnection, key: str) -> None:
    """Let the browser keep a session's key until it is closed."""
    secure = connection.headers.get("origin", "").startswith("https:")  # a proxy in front of the port
    answer.set_cookie(_name(connection), key, httponly=True, samesite="strict", secure=secure)


def delete_cookie(answer: Response, connection: HTTPConnection) -> None:
    """Let the browser forget a session's key."""
    answer.delete_cookie(_name(connection), httponly=True, samesite="strict")


def _name(connection: HTTPConnection) -> str:
    """Return the cookie's name, which differs by port: a browser has one jar for all lines of a host."""
    port = re.search(r":(\d+)$", connection.headers.get("host", ""))
    return f"softcore_session_{port[1] if port else 'http'}"
