"""People API: log-in, log-out, and who is logged in."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, Field
from softcore_runtime import UsageError
from softcore_runtime.web.local_page import Answer

from softcore_edge_app.web.guard import refuse_body
from softcore_edge_app.web.people.people import LoginRefusal, People, SessionState
from softcore_edge_app.web.people.person import Role
from softcore_edge_app.web.people.requirement import ByViewer
from softcore_edge_app.web.people.session_cookie import delete_cookie, read_cookie, set_cookie
from softcore_edge_app.web.schema import (
    READ_RESPONSES,
    WRITE_RESPONSES,
    RequestModel,
    ShortText,
    describe_problem,
)

__all__ = ["make_people_api", "make_session_api"]

_Secret = Annotated[str, Field(min_length=1, max_length=200)]


class LoginRequest(RequestModel):
    """A name and the person's PIN or password; or the code of a badge alone."""

    name: ShortText | None = None
    secret: _Secret | None = None
    badge: _Secret | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is one of the two."""
        return (self.name is None) == (self.secret is None) != (self.badge is None)


class EmptyRequest(RequestModel):
    """Nothing."""


class SessionReport(BaseModel):
    """Who is logged in.

    `people` is whether the line has any, `name` and `role` are null if nobody is logged in, and `seconds`
    until the session ends if the person does nothing.
    """

    people: bool
    name: str | None
    role: Role | None
    seconds: float | None


def make_session_api(people: People) -> APIRouter:
    """Make the route that says who is logged in, which everybody who reaches the port may read."""
    views = APIRouter(prefix="/api", dependencies=[Depends(refuse_body)], responses=READ_RESPONSES)

    @views.get("/session")
    async def show_session(request: Request) -> SessionReport:
        """Who is logged in; keeps no session from ending."""
        return _describe(people, people.find(read_cookie(request)))

    return views


def make_people_api(people: People) -> APIRouter:
    """Make the routes of log-in and log-out, and the one that keeps a session."""
    api = APIRouter(prefix="/api")
    one_at_a_time = CapacityLimiter(1)  # a hash takes memory and a processor, which the inspection needs
    describe = partial(_describe, people)

    @api.post(
        "/login",
        responses={**WRITE_RESPONSES, 429: describe_problem("Wrong tries before: wait.")},
        response_model=SessionReport,
    )
    async def log_in(request: Request, login: LoginRequest) -> Response:
        """Log in, by name and PIN or by a badge; the session is a cookie. 403 if it is wrong."""
        if not login.is_whole:
            raise UsageError("give name and secret, or badge")
        address = request.client.host if request.client else ""
        secret = (login.secret if login.badge is None else login.badge) or ""
        try:
            key = await to_thread.run_sync(
                people.log_in, login.name, secret.strip(), address, limiter=one_at_a_time
            )
        except LoginRefusal as refusal:
            if refusal.wait:
                seconds = max(1, round(refusal.wait))
                detail = f"too many wrong tries; wait {seconds} s"
                raise HTTPException(429, detail, {"Retry-After": str(seconds)}) from None
            raise HTTPException(403, "name, PIN or badge is wrong") from None
        people.log_out(read_cookie(request))  # whose turn it was before
        answer = Answer(describe(people.find(key)).model_dump(mode="json"))
        set_cookie(answer, request, key)
        return answer

    @api.post("/logout", responses=WRITE_RESPONSES, response_model=SessionReport)
    async def log_out(request: Request, _empty: EmptyRequest) -> Response:
        """End the session, if there is one."""
        people.log_out(read_cookie(request))
        answer = Answer(describe(None).model_dump(mode="json"))
        delete_cookie(answer, request)
        return answer

    @api.post("/session", responses=WRITE_RESPONSES)
    async def keep_session(request: Request, _by: ByViewer, _empty: EmptyRequest) -> SessionReport:
        """The same, and the person is there: the session goes on."""
        return describe(people.find(read_cookie(request), active=True))

    return api


def _describe(people: People, state: SessionState | None) -> SessionReport:
    person = state and state.person
    return SessionReport(
        people=people.exist,
        name=person and person.name,
        role=person and person.role,
        seconds=state and state.rest,
    )
