"""Alarm API: alarms of the line are acknowledged."""

from __future__ import annotations

from fastapi import APIRouter
from softcore_runtime.web.local_page import Answer
from starlette.responses import Response

from softcore_edge_app.alarms.alarm_status import AlarmStatus
from softcore_edge_app.pipeline.controls import OperatorControls
from softcore_edge_app.web.operator_api import ThreadRunner
from softcore_edge_app.web.schema import (
    WRITE_RESPONSES,
    Requester,
    RequestModel,
    Responses,
    ShortText,
    describe_problem,
)

__all__ = ["make_alarm_api"]


class AcknowledgeRequest(RequestModel):
    """The rule whose alarm is acknowledged, of which camera (if there are several), and by whom.

    Without `by` the ledger notes `page` or `http`; with it the name, and one of these behind it.
    """

    rule: ShortText
    camera: ShortText | None = None
    by: ShortText | None = None


def make_alarm_api(controls: OperatorControls, run_in_thread: ThreadRunner) -> APIRouter:
    """Make the route by which an alarm is acknowledged."""
    ends: Responses = {503: describe_problem("The line ended meanwhile.")}
    commands = APIRouter(prefix="/api", responses={**WRITE_RESPONSES, **ends})

    @commands.post("/alarms/acknowledge", response_model=AlarmStatus)
    async def acknowledge_alarm(request: AcknowledgeRequest, by: Requester) -> Response:
        """Acknowledge an alarm that is raised; it is noted in the ledger, if there is one.

        What raised it may go on: then it stays open, as acknowledged, until that has ended.
        """
        name = f"{request.by} ({by})" if request.by else by
        status = await run_in_thread(controls.acknowledge_alarm, request.rule, request.camera, name)
        return Answer(vars(status))

    return commands
