"""Local page: what a command serves to a browser on this machine, and to nobody else."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.middleware.base import RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware

from softcore_runtime.errors import SoftCoreError, UsageError

__all__ = ["make_app", "make_token", "open_browser", "require_token", "serve"]

_OWN_FILES = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def make_app(sources: str = _OWN_FILES) -> FastAPI:
    """Make an app without routes that answers to this machine's own names alone.

    What is malformed is answered with 422, a `UsageError` with 500 and every other `SoftCoreError` with 409,
    each with the message as `detail`.

    Args:
        sources: where the page's parts may come from: directives of a Content-Security-Policy.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # A frame could lend the buttons to another site's clicks; nothing may come from elsewhere, or go there.
    policy = f"{sources}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    headers = {"Content-Security-Policy": policy, **_HEADERS}

    @app.middleware("http")
    async def add_headers(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers.update(headers)
        return response

    # The last added is the first asked. Another host's name here is a page elsewhere that rebound its DNS.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])

    @app.exception_handler(RequestValidationError)
    def refuse(_request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": str(error.errors()[0]["msg"])}, 422)

    @app.exception_handler(SoftCoreError)
    def fail(_request: Request, error: SoftCoreError) -> JSONResponse:
        words = str(error).encode("utf-8", "replace").decode()  # a file's name may be no text
        return JSONResponse({"detail": words}, 500 if isinstance(error, UsageError) else 409)

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
