"""Worklist API: the REVIEW parts that are open, and how a person settles one."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from pydantic import BaseModel, Field
from softcore_runtime import Decision
from softcore_runtime.web.local_page import Answer

from softcore_edge_app.ledger.note import Note
from softcore_edge_app.pipeline.controls import OperatorControls
from softcore_edge_app.web.guard import refuse_body
from softcore_edge_app.web.history_api import require_part
from softcore_edge_app.web.image_cache import ImageCache
from softcore_edge_app.web.ledger_queries import LedgerQueries
from softcore_edge_app.web.operator_api import ThreadRunner
from softcore_edge_app.web.part import PartReport, describe_part
from softcore_edge_app.web.people.requirement import ByOperator
from softcore_edge_app.web.schema import (
    READ_RESPONSES,
    WRITE_RESPONSES,
    Camera,
    RequestModel,
    ShortText,
    describe_problem,
)

__all__ = ["make_settling_api", "make_worklist_api"]


class WorklistReport(BaseModel):
    """REVIEW parts that nobody has settled, the oldest first.

    `open` is how many there are. `since` is null; where the ledger's index isn't made yet, only the last
    200,000 rows are looked through, and `since` is when the first of these was decided on.
    """

    rows: list[PartReport]
    open: int
    since: int | None


class SettleRequest(RequestModel):
    """What a REVIEW part turned out to be."""

    trigger: ShortText
    mark: Literal["good", "bad"]


class SettleResponse(BaseModel):
    """The number of the note in the ledger."""

    note: int = Field(ge=1)


def make_worklist_api(queries: LedgerQueries, cache: ImageCache) -> APIRouter:
    """Make the route that lists what is open."""
    views = APIRouter(
        prefix="/api",
        dependencies=[Depends(refuse_body)],
        responses={**READ_RESPONSES, 409: describe_problem("No ledger, or one that can't be read.")},
    )

    @views.get("/worklist", response_model=WorklistReport)
    async def list_open(camera: Camera = None, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> Response:
        """The REVIEW parts that nobody has settled, the oldest first."""
        found = await queries.find_worklist(limit, camera)
        rows = [describe_part(part, image=cache.has(part.row.record)) for part in found.parts]
        return Answer({"rows": rows, "open": found.count, "since": found.since})

    return views


def make_settling_api(
    queries: LedgerQueries, controls: OperatorControls, run_in_thread: ThreadRunner
) -> APIRouter:
    """Make the route that settles a part."""
    commands = APIRouter(prefix="/api", responses=WRITE_RESPONSES)
    turn = asyncio.Lock()  # two people who settle the same part at the same moment: one is told

    @commands.post("/worklist", responses={404: describe_problem("There is no such part.")})
    async def settle_part(request: SettleRequest, by: ByOperator) -> SettleResponse:
        """Settle a REVIEW part as good or bad: the ledger has it as a mark.

        A part that somebody has settled, or that wasn't REVIEW, is refused with 409.
        """
        async with turn:
            part = await require_part(queries, request.trigger)
            record = part.row.record
            if record.decision is not Decision.REVIEW:
                raise HTTPException(409, f"this part is {record.decision}, and only REVIEW is settled")
            if part.mark is not None:
                raise HTTPException(409, f"this part is settled already: {part.mark}")
            note: Note = await run_in_thread(
                controls.note_mark, record.trigger, record.camera, None, request.mark, by
            )
        return SettleResponse(note=note.number)

    return commands
