"""History API: the ledger's parts and notes, and the marks of parts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response
from pydantic import BaseModel, Field
from softcore_runtime import Decision
from softcore_runtime.web.local_page import Answer

from softcore_edge_app.ledger.note import Kind, Note
from softcore_edge_app.pipeline.controls import OperatorControls
from softcore_edge_app.queries.parts import Part, PartFilter, read_notes
from softcore_edge_app.web.guard import refuse_body
from softcore_edge_app.web.image_cache import ImageCache
from softcore_edge_app.web.ledger_queries import LedgerQueries
from softcore_edge_app.web.part import PartReport, describe_part
from softcore_edge_app.web.people.requirement import ByOperator
from softcore_edge_app.web.schema import (
    READ_RESPONSES,
    WRITE_RESPONSES,
    RequestModel,
    Responses,
    ShortText,
    Time,
    describe_problem,
    to_nanoseconds,
)

__all__ = ["describe_note", "make_history_api", "make_mark_api"]

_NO_LEDGER: Responses = {
    409: describe_problem("There is no ledger, it can't be read, or that took too long.")
}
_Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
_Before = Annotated[int | None, Query(ge=1, le=2**53, description="Only those before this number.")]
_After = Annotated[int | None, Query(ge=0, le=2**53, description="Instead, the next ones after this number.")]
_Share = Annotated[float | None, Query(ge=0, le=1e9, allow_inf_nan=False)]


class PartList(BaseModel):
    """Parts, the newest first.

    `total` is the number of all parts that are asked for, `newer` how many of them are newer than these.
    While `next` isn't null there are more, before that number.

    In a ledger of more than 50,000 rows the counts need its index, which is made in the background. Where
    they are null, one response searches 50,000 rows at most: it may have fewer parts than were asked for,
    even none.
    """

    rows: list[PartReport]
    next: int | None
    total: int | None
    newer: int | None


class NoteReport(BaseModel):
    """A change, by whom, and when; `subject` is the trigger or recipe, if it concerns one."""

    number: int
    at: int
    kind: Kind
    camera: str
    subject: str | None
    before: str | None
    after: str | None
    by: str


class NoteList(BaseModel):
    """Notes, the newest first; while `next` isn't null there are more, before that number."""

    notes: list[NoteReport]
    next: int | None


class MarkRequest(RequestModel):
    """Whether a part was good or bad; null removes the mark."""

    trigger: ShortText
    mark: Literal["good", "bad"] | None


class MarkResponse(BaseModel):
    """The number of the note in the ledger."""

    note: int = Field(ge=1)


def make_history_api(queries: LedgerQueries, cache: ImageCache) -> APIRouter:
    """Make the routes that read the ledger, which everybody who reaches the port may use."""
    views = APIRouter(
        prefix="/api", dependencies=[Depends(refuse_body)], responses={**READ_RESPONSES, **_NO_LEDGER}
    )

    def describe(part: Part) -> dict[str, Any]:
        return describe_part(part, image=cache.has(part.row.record))

    @views.get("/decisions", response_model=PartList)
    async def list_decisions(
        *,
        limit: _Limit = 50,
        before: _Before = None,
        after: _After = None,
        at: Time = None,
        part: ShortText | None = None,
        since: Time = None,
        until: Time = None,
        decision: Decision | None = None,
        camera: ShortText | None = None,
        category: ShortText | None = None,
        min_share: _Share = None,
        max_share: _Share = None,
        marked: Literal["good", "bad", "any"] | None = None,
    ) -> Response:
        """The ledger's parts, the newest first, filtered by name, time, decision, score or mark.

        `part` is a part's whole name or, where no part has it, how names begin. The page begins with the
        newest part, or with the newest `before` a row or `at` a time; or it ends with the next one `after` a
        row.
        """
        wanted = PartFilter(
            since=to_nanoseconds(since),
            until=to_nanoseconds(until),
            decision=decision and str(decision),
            camera=camera,
            category=category,
            min_share=min_share,
            max_share=max_share,
            marked=marked,
            part=part,
        )
        found = await queries.find_page(wanted, limit, before=before, after=after, at=to_nanoseconds(at))
        rows = [describe(one) for one in found.parts]
        return Answer({"rows": rows, "next": found.following, "total": found.total, "newer": found.newer})

    @views.get(
        "/decisions/{trigger}",
        response_model=PartReport,
        responses={404: describe_problem("There is no such part.")},
    )
    async def give_decision(trigger: Annotated[ShortText, Path()]) -> Response:
        """One part; without the ledger's index one of the last million."""
        return Answer(describe(await require_part(queries, trigger)))

    @views.get("/notes", response_model=NoteList)
    async def list_notes(limit: _Limit = 50, before: _Before = None) -> Response:
        """Changes of the line, and marks of parts, the newest first."""
        notes, following = await queries.run(partial(read_notes, count=limit, before=before))
        return Answer({"notes": [describe_note(note) for note in notes], "next": following})

    return views


def make_mark_api(
    queries: LedgerQueries, controls: OperatorControls, run_in_thread: Callable[..., Any]
) -> APIRouter:
    """Make the route that marks parts."""
    commands = APIRouter(prefix="/api", responses=WRITE_RESPONSES)

    @commands.post("/marks", responses={404: describe_problem("There is no such part.")})
    async def mark_part(mark: MarkRequest, by: ByOperator) -> MarkResponse:
        """Mark a part as good or bad, whatever its decision; kept in the ledger as a note."""
        part = await require_part(queries, mark.trigger)
        record = part.row.record
        note: Note = await run_in_thread(
            controls.note_mark, record.trigger, record.camera, part.mark, mark.mark, by
        )
        return MarkResponse(note=note.number)

    return commands


async def require_part(queries: LedgerQueries, trigger: str) -> Part:
    """Return the part of a trigger; without one the response is 404."""
    part = await queries.find_part(trigger)
    if part is None:
        raise HTTPException(404, "no part of that trigger was found in the ledger")
    return part


def describe_note(note: Note) -> dict[str, Any]:
    """Return the fields of a `NoteReport`."""
    return {"number": note.number, "at": note.at, **vars(note.change)}
