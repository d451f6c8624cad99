from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI
from softcore_edge_app.web.app import make_web_app
from softcore_edge_app.web.events import EventStream
from softcore_edge_app.web.image_cache import ImageCache
from softcore_edge_app.web.people.person import Role
from softcore_edge_app.web.people.requirement import list_unguarded, require
from softcore_edge_app.web.shifts.shift import ShiftCounter
from softcore_edge_app.web.status import LineStatus

NOBODY: Any = None  # describing the app asks for nothing
STATUS = LineStatus(NOBODY, ShiftCounter(), token=True)


def test_a_route_that_names_no_role_is_found() -> None:
    app = FastAPI()

    @app.post("/with")
    def change(by: Annotated[str, require(Role.OPERATOR)]) -> str:
        return by

    @app.get("/look")
    def look() -> str:
        return ""

    assert list_unguarded(app.routes) == []

    @app.delete("/without")
    def forget() -> str:
        return ""

    assert list_unguarded(app.routes) == ["/without"]


def test_an_app_with_such_a_route_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    router = APIRouter(prefix="/api")
    router.post("/forgotten")(lambda: None)
    monkeypatch.setattr("softcore_edge_app.web.app.make_alarm_api", lambda *_: router)
    with pytest.raises(ValueError, match="routes without a role: /api/forgotten"):
        make_web_app(STATUS, NOBODY, EventStream(), ImageCache(None), hosts=[], token=None, people=NOBODY)
