"""Requirement: what role a change needs, and the name of who asks for it, for the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute

from softcore_edge_app.web.people.people import People
from softcore_edge_app.web.people.person import Person, Role
from softcore_edge_app.web.people.session_cookie import read_cookie

__all__ = [
    "OPEN",
    "ByOperator",
    "BySetter",
    "ByViewer",
    "find_person",
    "is_machine",
    "list_unguarded",
    "require",
]

# Who isn't logged in yet may ask these, where there are people.
OPEN = ("/api/login", "/api/logout")
_SAFE = {"GET", "HEAD", "OPTIONS"}


class _Requirement:
    """A dependency of a route: refuses who has a lower role, and returns the name for the ledger."""

    def __init__(self, role: Role) -> None:
        self.role = role

    def __call__(self, request: Request) -> str:
        person: Person | None = request.state.person  # set by `RequestGuard`
        if person is None:  # a browser sends the origin of its page with each change
            return "page" if "origin" in request.headers else "http"
        if not person.role.includes(self.role):
            raise HTTPException(403, f"this needs the role {self.role}; {person.name} is {person.role}")
        return person.name


def find_person(people: People, request: HTTPConnection) -> Person | None:
    """Return who is logged in, for `RequestGuard`; the session goes on by it."""
    state = people.find(read_cookie(request), active=True)
    return state.person if state else None


def require(role: Role) -> Any:
    """Return the dependency by which a route names the role that it needs: its value is who asks.

    Who shows the token has every role. The value is the person's name, or `page` or `http` of who shows the
    token. A route that changes something without such a dependency is refused when the app is made.

    Example:
        >>> from fastapi import APIRouter
        >>> router = APIRouter()
        >>> @router.post("/api/alarms/{number}")
        ... def acknowledge(number: int, by: Annotated[str, require(Role.OPERATOR)]) -> str:
        ...     return f"{number} by {by}"
    """
    return Depends(_Requirement(role))


def is_machine(by: str) -> bool:
    """Tell whether a change is a program's, by the name of who asks."""
    return by == "http"


ByViewer = Annotated[str, require(Role.VIEWER)]
ByOperator = Annotated[str, require(Role.OPERATOR)]
BySetter = Annotated[str, require(Role.SETTER)]


def list_unguarded(routes: Iterable[BaseRoute]) -> list[str]:
    """List the routes that change something and require no role."""
    return [
        route.path
        for route in routes
        if isinstance(route, APIRoute)
        and (route.methods or set()) - _SAFE
        and route.path not in OPEN
        and not any(isinstance(one.call, _Requirement) for one in _walk(route.dependant))
    ]


def _walk(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for one in dependant.dependencies:
        yield from _walk(one)
