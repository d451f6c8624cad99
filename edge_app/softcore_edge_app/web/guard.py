"""Guard: checks of a request before any of its body is read: its origin, and the token for a change."""

from __future__ import annotations

import secrets

from fastapi import HTTPException, Request
from softcore_runtime.web.local_page import Answer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from softcore_edge_app.configuration.options import HttpOptions

__all__ = ["TOKEN_HEADER", "RequestGuard", "list_hosts", "refuse_body"]

TOKEN_HEADER = "X-SoftCore-Token"  # noqa: S105 - the header's name
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_SAFE = ("GET", "HEAD", "OPTIONS")


class RequestGuard:
    """Passes on requests that change nothing, and changes with the token; refuses pages of other sites.

    The method decides whether the token is needed, not the route: a forgotten route is closed, not open.

    Args:
        app: what is guarded.
        token: the token; None allows no change.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with 403, or pass the request on."""
        refusal = self._find_refusal(scope["method"], Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await Answer({"detail": refusal}, 403)(scope, receive, send)

    def _find_refusal(self, method: str, headers: Headers) -> str | None:
        origin, host = headers.get("origin"), headers.get("host", "")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return "a page of another site may ask for nothing here"
        if method in _SAFE:
            return None
        if self._token is None:
            return (
                "nothing can be changed over HTTP: the line has no token; "
                "start it with --token-file FILE (http.token_file)"
            )
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        shown = [headers.get(TOKEN_HEADER, ""), bearer.strip() if scheme.lower() == "bearer" else ""]
        if any(secrets.compare_digest(one.encode(), self._token.encode()) for one in shown):
            return None
        return f"this needs the line's token, as {TOKEN_HEADER} or as a bearer's"


async def refuse_body(request: Request) -> None:
    """Refuse a body with 400: nothing would read it, and it would break an answer that takes hours."""
    if "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0":
        raise HTTPException(400, "there is nothing to do with a body here")


def list_hosts(options: HttpOptions) -> list[str]:
    """Return the names that the port answers to: loopback, its own address, and the configured ones."""
    own = f"[{options.host}]" if ":" in options.host else options.host
    return sorted({*_LOOPBACK, own, *options.names})
