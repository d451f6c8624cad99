"""App: all routes of a line's HTTP port."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request, Response, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.sse import EventSourceResponse
from softcore_runtime.errors import UsageError
from softcore_runtime.web.local_page import Answer, make_app
from starlette.exceptions import HTTPException as RefusedError
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.routing import Route

from softcore_edge_app.queries.part_search import PartSearch
from softcore_edge_app.web.alarms.alarm_api import make_alarm_api
from softcore_edge_app.web.charts.chart_api import make_chart_api
from softcore_edge_app.web.events import EventStream
from softcore_edge_app.web.guard import TOKEN_HEADER, RequestGuard, refuse_body
from softcore_edge_app.web.history_api import make_history_api, make_mark_api
from softcore_edge_app.web.image_api import make_image_api
from softcore_edge_app.web.image_cache import ImageCache
from softcore_edge_app.web.language.refusal import refuse, refuse_as_raised
from softcore_edge_app.web.ledger_queries import LedgerQueries
from softcore_edge_app.web.operator_api import make_operator_api, make_thread_runner
from softcore_edge_app.web.page import PAGE_SOURCES, add_page
from softcore_edge_app.web.people.people import People
from softcore_edge_app.web.people.people_api import make_people_api, make_session_api
from softcore_edge_app.web.people.requirement import OPEN, find_person, list_unguarded
from softcore_edge_app.web.schema import MAX_BODY_BYTES, READ_RESPONSES, describe_problem
from softcore_edge_app.web.shadow.shadow_api import make_promotion_api, make_shadow_api
from softcore_edge_app.web.shifts.report_api import make_report_api
from softcore_edge_app.web.status import LineStatus, make_status_api
from softcore_edge_app.web.threshold.threshold_api import make_preview_api, make_threshold_api
from softcore_edge_app.web.worklist.worklist_api import make_settling_api, make_worklist_api

__all__ = ["make_web_app"]

_UNBUFFERED = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}


def make_web_app(
    status: LineStatus,
    metrics_render: Callable[[], tuple[bytes, str]],
    events: EventStream,
    cache: ImageCache,
    *,
    hosts: list[str],
    token: str | None,
    people: People,
    search: PartSearch | None = None,
) -> FastAPI:
    """Make the app.

    Args:
        status: the line, and its state.
        metrics_render: returns the metrics and their content type.
        events: the decisions and notes.
        cache: the parts' images.
        hosts: the names that the app answers to.
        token: what a change by a machine needs; None where there is none.
        people: who may change something without it.
        search: finds parts in the ledger; None makes one.
    """
    guards = [
        Middleware(
            RequestGuard,
            token=token,
            find_person=partial(find_person, people),
            people_exist=lambda: people.exist,
            open_paths=OPEN,
        ),
        Middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BODY_BYTES),
    ]
    app = make_app(PAGE_SOURCES, hosts=hosts, guards=guards)
    app.title = "SoftCore line"

    app.exception_handler(RefusedError)(refuse_as_raised)

    @app.exception_handler(UsageError)
    def refuse_usage(request: Request, error: UsageError) -> Response:
        return refuse(request, str(error), 409)  # the request is wrong, not the server

    @app.get("/api/openapi.json", include_in_schema=False)
    async def describe_api() -> dict[str, Any]:
        return app.openapi()

    controls, queries = status.controls, LedgerQueries(status.ledger, events.ended, search)
    run_in_thread = make_thread_runner(events.ended)
    views = [
        make_status_api(status),
        _make_streams(metrics_render, events),
        make_history_api(queries, cache),
        make_image_api(cache, queries, controls),
        make_preview_api(controls, queries, cache),
        make_chart_api(queries, lambda: status.shift.since),
        make_report_api(queries, cache, status.shift),
        make_shadow_api(controls, cache),
        make_worklist_api(queries, cache),
        make_session_api(people),
    ]
    commands = [
        make_operator_api(controls, run_in_thread),
        make_alarm_api(controls, run_in_thread),
        make_threshold_api(controls, queries, run_in_thread),
        make_promotion_api(controls, run_in_thread),
        make_mark_api(queries, controls, run_in_thread),
        make_settling_api(queries, controls, run_in_thread),
        make_people_api(people),
    ]
    for router in views:
        app.include_router(router)
    # `RequestGuard` checks token and session; this describes the token in the schema.
    shown = [
        Security(APIKeyHeader(name=TOKEN_HEADER, auto_error=False)),
        Security(HTTPBearer(auto_error=False)),
    ]
    for router in commands:
        app.include_router(router, dependencies=shown)
    routes = [route for router in (*views, *commands) for route in router.routes]
    if unguarded := list_unguarded(routes):
        raise ValueError(f"routes without a role: {', '.join(unguarded)}")

    @app.exception_handler(405)
    def refuse_method(request: Request, _error: HTTPException) -> Response:
        # A router's own refusal names the methods of one route; a path may have several, each with a method.
        known = (one for one in (*app.routes, *routes) if isinstance(one, Route))
        here = [one for one in known if one.path_regex.match(request.url.path)]
        allowed = sorted({method for route in here for method in route.methods or ()})
        return Answer({"detail": "Method Not Allowed"}, 405, headers={"Allow": ", ".join(allowed)})

    add_page(app)
    return app


def _make_streams(metrics_render: Callable[[], tuple[bytes, str]], events: EventStream) -> APIRouter:
    """Make the routes of metrics and events, which everybody who reaches the port may read."""
    views = APIRouter(dependencies=[Depends(refuse_body)], responses=READ_RESPONSES)

    @views.get("/metrics", responses={200: {"content": {"text/plain": {}}}}, response_class=Response)
    def give_metrics() -> Response:
        """Metrics for Prometheus."""
        content, media_type = metrics_render()
        return Response(content, media_type=media_type)

    @views.get(
        "/api/events",
        responses={
            200: {"content": {"text/event-stream": {}}},
            503: describe_problem("Too many clients follow the events already."),
        },
        response_class=Response,
    )
    async def stream_events(last_event_id: Annotated[str | None, Header()] = None) -> EventSourceResponse:
        """Each decision from now on (or after Last-Event-ID) as a server-sent event.

        `decision` has the ledger's fields, `share`, `number` (its row's), `seq` (see the status' `shift`) and
        `picture`, and its trigger as id; `note` is a new note; `status` is the status after a change that
        needs a person; `dropped` has the `count` of decisions that a slow client missed, null if unknown.
        """
        if events.full:
            raise HTTPException(503, "too many clients follow the events already; ask again later")
        # Browsers send the id as UTF-8; servers decode a header as Latin-1.
        last = last_event_id and last_event_id.encode("latin-1").decode("utf-8", "replace")
        return EventSourceResponse(events.listen(last), headers=_UNBUFFERED)

    return views
