"""Local page: what a command serves to a browser on this machine, and to nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from softcore_runtime.errors import SoftCoreError, UsageError

__all__ = ["Answer", "make_app", "make_token", "open_browser", "require_token", "serve"]

LOCAL_NAMES = ("127.0.0.1", "localhost")

_OWN_FILES = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'"
)
_HALVES = re.compile("[\ud800-\udfff]")
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Answer(JSONResponse):
    """JSON, also of a text that is none: a file's name may hold any byte, and what isn't UTF-8 is escaped."""

    def render(self, content: Any) -> bytes:
        """Write it as UTF-8."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        # `\udcff` for a reader; unescaped in JSON it would be half a character, which many refuse.
        return _HALVES.sub(lambda half: f"\\\\u{ord(half[0]):04x}", text).encode()


class _Headers:
    """Adds headers to every answer that hasn't its own, also to one that goes on for hours."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self._app, self._headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, add)


class _HeadAsGet:
    """Answers HEAD as GET, without the body; uvicorn leaves that out.

    A body that goes on for hours ends with its first piece: to who asks it looks as if the client had left.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        answered = asyncio.Event()

        async def receive_until_answered() -> Message:
            coming, ending = asyncio.ensure_future(receive()), asyncio.ensure_future(answered.wait())
            try:
                await asyncio.wait({coming, ending}, return_when=asyncio.FIRST_COMPLETED)
                return coming.result() if coming.done() else {"type": "http.disconnect"}
            finally:
                coming.cancel()
                ending.cancel()

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
            elif not answered.is_set():
                answered.set()
                await send({"type": "http.response.body", "body": b""})

        await self._app({**scope, "method": "GET"}, receive_until_answered, send_head)


def make_app(
    sources: str = _OWN_FILES, hosts: Sequence[str] = LOCAL_NAMES, guards: Sequence[Middleware] = ()
) -> FastAPI:
    """Make an app without routes that answers to this machine's own names alone.

    HEAD is answered as GET is. What is malformed is answered with 422, a `UsageError` with 500 and every
    other `SoftCoreError` with 409, each with the message as `detail`.

    Args:
        sources: where the page's parts may come from: directives of a Content-Security-Policy.
        hosts: the names that it answers to.
        guards: what a request passes after that, the first one first.
    """
    # A frame could lend the buttons to another site's clicks; nothing may come from elsewhere, or go there.
    policy = f"{sources}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        middleware=[
            Middleware(_Headers, headers={"Content-Security-Policy": policy, **_HEADERS}),
            # Another host's name here is a page elsewhere that rebound its DNS.
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            *guards,
            Middleware(_HeadAsGet),
        ],
    )

    @app.exception_handler(RequestValidationError)
    def refuse(_request: Request, error: RequestValidationError) -> JSONResponse:
        return Answer({"detail": str(error.errors()[0]["msg"])}, 422)

    @app.exception_handler(SoftCoreError)
    def fail(_request: Request, error: SoftCoreError) -> JSONResponse:
        return Answer({"detail": str(error)}, 500 if isinstance(error, UsageError) else 409)

    return app


def make_token() -> str:
    """Make what only a reader of the page knows: a site elsewhere can send it requests, but not read it."""
    return secrets.token_urlsafe(32)


def require_token(token: str, refusal: str) -> Callable[[str], None]:
    """Make a dependency that refuses, with 403, who doesn't send the token as `X-Softcore-Token`."""

    def demand(x_softcore_token: Annotated[str, Header()] = "") -> None:
        if not secrets.compare_digest(x_softcore_token.encode(), token.encode()):
            raise HTTPException(403, refusal)

    return demand


@contextlib.contextmanager
def serve(app: FastAPI, name: str) -> Iterator[str]:
    """Serve on a free port of this machine, for it alone, from a thread of that name; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # For its connections, too; else an answer's second half waits 40 ms until the first is confirmed.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name=name, daemon=True)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.start()  # what is asked before it has started waits in the listener
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join()


def open_browser(url: str) -> None:
    """Open a page where there is a screen."""
    # Without one Python would run a browser for terminals, in this one.
    if sys.platform != "linux" or {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"} & set(os.environ):
        threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()
