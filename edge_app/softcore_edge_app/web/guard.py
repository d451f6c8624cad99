"""Guard: checks of a request before any of its body is read: its origin, and who asks for a change."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection

from fastapi import HTTPException, Request
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from softcore_edge_app.configuration.options import HttpOptions
from softcore_edge_app.web.language.refusal import refuse

__all__ = ["TOKEN_HEADER", "RequestGuard", "list_hosts", "refuse_body"]

TOKEN_HEADER = "X-SoftCore-Token"  # noqa: S105 - the header's name
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_SAFE = ("GET", "HEAD", "OPTIONS")


class RequestGuard:
    """Passes on requests that change nothing, and changes of who may; refuses pages of other sites.

    The method decides whether that is checked, not the route: a forgotten route is closed, not open. The
    state of a change's request has `person`: who is logged in, or None of who shows the token.

    Args:
        app: what is guarded.
        token: the token; None where there is none.
        find_person: returns who is logged in, see `require`; None if nobody is.
        people_exist: whether anybody could log in.
        open_paths: which changes need neither, where somebody could log in.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str | None,
        find_person: Callable[[HTTPConnection], object | None] = lambda _: None,
        people_exist: Callable[[], bool] = lambda: False,
        open_paths: Collection[str] = (),
    ) -> None:
        self._app, self._token = app, token
        self._find_person, self._people_exist, self._open = find_person, people_exist, open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with 403, or pass the request on."""
        refusal = self._find_refusal(HTTPConnection(scope))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refuse(HTTPConnection(scope), refusal, 403)(scope, receive, send)

    def _find_refusal(self, request: HTTPConnection) -> str | None:
        headers = request.headers
        origin, host = headers.get("origin"), headers.get("host", "")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return "a page of another site may ask for nothing here"
        if request.scope["method"] in _SAFE:
            return None
        request.state.person = None
        if self._token is not None and _shows(headers, self._token):
            return None
        exist = self._people_exist()
        if exist and request.url.path in self._open:
            return None
        request.state.person = self._find_person(request)
        if request.state.person is not None:
            return None
        if exist:
            return f"this needs somebody who is logged in, or the line's token as {TOKEN_HEADER}"
        if self._token is None:
            return (
                "nothing can be changed over HTTP: the line has no token; "
                "start it with --token-file FILE (http.token_file)"
            )
        return f"this needs the line's token, as {TOKEN_HEADER} or as a bearer's"


def _shows(headers: Headers, token: str) -> bool:
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    shown = [headers.get(TOKEN_HEADER, ""), bearer.strip() if scheme.lower() == "bearer" else ""]
    return any(secrets.compare_digest(one.encode(), token.encode()) for one in shown)


async def refuse_body(request: Request) -> None:
    """Refuse a body with 400: nothing would read it, and it would break an answer that takes hours."""
    if "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0":
        raise HTTPException(400, "there is nothing to do with a body here")


def list_hosts(options: HttpOptions) -> list[str]:
    """Return the names that the port answers to: loopback, its own address, and the configured ones."""
    own = f"[{options.host}]" if ":" in options.host else options.host
    return sorted({*_LOOPBACK, own, *options.names})
