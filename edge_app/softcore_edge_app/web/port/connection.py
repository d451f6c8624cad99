"""Connection: one client's connection to the port; a request must be complete within ten seconds.

It extends uvicorn's protocol class. uvicorn has no public hook for an accepted socket, nor for the time of a
request, so `conn`, `cycle`, `loop` and `transport` of that class are used here, and nowhere else.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import h11
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from softcore_edge_app.web.language.refusal import refuse

__all__ = ["HEALTH", "Connection"]

HEALTH = ("/healthz", "/readyz")  # answered however many clients there are
_PATIENCE = 10.0  # seconds for a request's head, and again for its body
_GONE_AFTER = 60_000  # milliseconds until a client that acknowledges nothing counts as gone
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_AWAITED = (h11.IDLE, h11.SEND_BODY)  # a client's states while its request is incomplete


class Connection(H11Protocol):
    """One client's connection.

    Args:
        on_end: called with the connection once it has ended.
        restricted: whether it gets one answer about health and nothing else.
        **given: what uvicorn's protocol classes take.
    """

    def __init__(self, on_end: Callable[[Connection], object], *, restricted: bool, **given: Any) -> None:
        super().__init__(**given)
        self.on_end = on_end
        self._timer: asyncio.TimerHandle | None = None
        self._timed: object = None  # the client's state that `_timer` runs for
        self._dropped = False
        if restricted:
            self.app = _OnlyHealth(self.app)

    @property
    def has_request(self) -> bool:
        """Whether a request has come, though its body may be incomplete."""
        return self.cycle is not None

    def drop(self) -> None:
        """End it without an answer."""
        self._dropped = True
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; called by asyncio, like the next two."""
        super().connection_made(transport)
        if self._dropped:
            transport.abort()
            return
        client = transport.get_extra_info("socket")
        # asyncio sets it for sockets that name their protocol, which an accepted one doesn't.
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _GONE_AFTER)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._limit_request()

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        super().data_received(data)
        self._limit_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._set_timer(None)
        super().connection_lost(exc)
        self.on_end(self)

    def on_response_complete(self) -> None:
        """Wait for the next request; called by uvicorn after each answer."""
        super().on_response_complete()
        self._limit_request()

    def _limit_request(self) -> None:
        """Limit the time for each head and each body, however many small pieces they come in."""
        state = self.conn.their_state
        if state is not self._timed:
            self._timed = state
            self._set_timer(_PATIENCE if state in _AWAITED else None)

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._refuse_late)

    def _refuse_late(self) -> None:
        in_head = self._timed is h11.IDLE and self.conn.trailing_data[0]
        in_body = self._timed is h11.SEND_BODY and not self.cycle.response_started
        if in_head or in_body:
            self.transport.write(_TIMED_OUT)
        self.transport.close()
        if self.transport.get_write_buffer_size():  # the client doesn't read either
            self.transport.abort()


class _OnlyHealth:
    """Answers one request about health, and refuses any other."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        app = self._app
        if scope["path"] not in HEALTH:
            why = "too many connections are open; close some, or ask again later"
            app = refuse(HTTPConnection(scope), why, 503)
        await app(scope, receive, send_last)
