"""Local page: serves a page to browsers on this machine only."""

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
_SURROGATES = re.compile("[\ud800-\udfff]")
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Answer(JSONResponse):
    """JSON in which text that isn't valid UTF-8 is escaped: a file's name may hold any bytes."""

    def render(self, content: Any) -> bytes:
        """Return the content as UTF-8."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        # Shown as `\udcff`; unescaped it would be half of a surrogate pair, which many parsers refuse.
        return _SURROGATES.sub(lambda half: f"\\\\u{ord(half[0]):04x}", text).encode()


class _HeadersMiddleware:
    """Adds headers to every response that doesn't have them, also to streams."""

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


class _HeadAsGetMiddleware:
    """Answers HEAD as GET, without the body, which uvicorn leaves out.

    A stream ends with its first chunk: to the app it looks as if the client had disconnected.
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
    """Return an app without routes that only answers to this machine's own names.

    HEAD is answered like GET. A malformed request is answered with 422, a `UsageError` with 500 and every
    other `SoftCoreError` with 409, each with the message as `detail`.

    Args:
        sources: allowed sources of the page's parts, as directives of a Content-Security-Policy.
        hosts: the host names that it answers to.
        guards: further middleware of requests, the first one first.
    """
    # In a frame of another site the buttons could be clicked unknowingly; no data goes elsewhere.
    policy = f"{sources}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        middleware=[
            Middleware(_HeadersMiddleware, headers={"Content-Security-Policy": policy, **_HEADERS}),
            # Refuses requests of pages elsewhere that rebound their DNS name to this machine.
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            *guards,
            Middleware(_HeadAsGetMiddleware),
        ],
    )

    @app.exception_handler(RequestValidationError)
    def refuse(_request: Request, error: RequestValidationError) -> JSONResponse:
        return Answer({"detail": str(error.errors()[0]["msg"]).removeprefix("Value error, ")}, 422)

    @app.exception_handler(SoftCoreError)
    def fail(_request: Request, error: SoftCoreError) -> JSONResponse:
        return Answer({"detail": str(error)}, 500 if isinstance(error, UsageError) else 409)

    return app


def make_token() -> str:
    """Return a secret for the page: another site can send requests to the page, but not read the secret."""
    return secrets.token_urlsafe(32)


def require_token(token: str, refusal: str) -> Callable[[str], None]:
    """Return a dependency that answers 403 to requests without the token as `X-Softcore-Token`."""

    def check_token(x_softcore_token: Annotated[str, Header()] = "") -> None:
        if not secrets.compare_digest(x_softcore_token.encode(), token.encode()):
            raise HTTPException(403, refusal)

    return check_token


@contextlib.contextmanager
def serve(app: FastAPI, name: str) -> Iterator[str]:
    """Serve on a free port for this machine only, in a thread of the given name; yields the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Inherited by connections; otherwise the second half of a response waits 40 ms for a receipt.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name=name, daemon=True)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.start()  # requests before its start wait in the listener
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join()


def open_browser(url: str) -> None:
    """Open a page in the browser, if there is a screen."""
    # Without a screen Python would run a text browser in this terminal.
    if sys.platform != "linux" or {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"} & set(os.environ):
        threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()
