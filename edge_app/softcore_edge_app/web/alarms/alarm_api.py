"""Alarm API: alarms of the line are acknowledged."""

from __future__ import annotations

from fastapi import APIRouter
from softcore_runtime.web.local_page import Answer
from starlette.responses import Response

from softcore_edge_app.alarms.alarm_status import AlarmStatus
from softcore_edge_app.pipeline.controls import OperatorControls
from softcore_edge_app.web.operator_api import ThreadRunner
from softcore_edge_app.web.people.person import RESERVED
from softcore_edge_app.web.people.requirement import ByOperator
from softcore_edge_app.web.schema import (
    WRITE_RESPONSES,
    RequestModel,
    Responses,
    ShortText,
    describe_problem,
)

__all__ = ["make_alarm_api"]


class AcknowledgeRequest(RequestModel):
    """The rule whose alarm is acknowledged, of which camera (if there are several), and by whom.

    Of who shows the token the ledger notes `page` or `http`, with the name of `by` before it. Of a person who
    is logged in it notes that name, whatever `by` says.
    """

    rule: ShortText
    camera: ShortText | None = None
    by: ShortText | None = None


def make_alarm_api(controls: OperatorControls, run_in_thread: ThreadRunner) -> APIRouter:
    """Make the route by which an alarm is acknowledged."""
    ends: Responses = {503: describe_problem("The line ended meanwhile.")}
    commands = APIRouter(prefix="/api", responses={**WRITE_RESPONSES, **ends})

    @commands.post("/alarms/acknowledge", response_model=AlarmStatus)
    async def acknowledge_alarm(request: AcknowledgeRequest, by: ByOperator) -> Response:
        """Acknowledge an alarm that is raised; it is noted in the ledger, if there is one.

        What raised it may go on: then it stays open, as acknowledged, until that has ended.
        """
        # Who is logged in can't acknowledge in another's name.
        name = f"{request.by} ({by})" if request.by and by in RESERVED else by
        status = await run_in_thread(controls.acknowledge_alarm, request.rule, request.camera, name)
        return Answer(vars(status))

    return commands
