"""Shadow API: the parts on which a bundle on trial differs, and its promotion."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel
from softcore_runtime import Bound, Decision
from softcore_runtime.web.local_page import Answer

from softcore_edge_app.pipeline.controls import Difference, OperatorControls
from softcore_edge_app.web.guard import refuse_body
from softcore_edge_app.web.image_cache import ImageCache
from softcore_edge_app.web.operator_api import ThreadRunner
from softcore_edge_app.web.part import PartReport, describe_record
from softcore_edge_app.web.people.requirement import BySetter
from softcore_edge_app.web.schema import (
    READ_RESPONSES,
    WRITE_RESPONSES,
    Camera,
    RequestModel,
    Responses,
    ShortText,
    describe_problem,
)

__all__ = ["make_promotion_api", "make_shadow_api"]


class OpinionReport(BaseModel):
    """What the bundle on trial says; `share` is an exact score in units of its threshold."""

    decision: Decision
    score: float | None
    bound: str | None
    share: float | None
    threshold: float
    fail_above: float
    milliseconds: float | None
    reason: str | None
    bundle: str
    path: str


class DifferenceReport(PartReport):
    """A part as the line decided on it (`number` is 0 without a ledger), and what the shadow says."""

    shadow: OpinionReport


class DifferenceList(BaseModel):
    """The last parts on which line and shadow differ, the newest first, since the start of the line."""

    rows: list[DifferenceReport]


class PromotionRequest(RequestModel):
    """Which shadow takes the place of the bundle in use.

    `camera` if there are several; `recipe` must be the one in use, and `bundle` the shadow's seal, where they
    are given; `force` takes also one that has seen no part yet, or that nobody calibrated.
    """

    camera: ShortText | None = None
    recipe: ShortText | None = None
    bundle: ShortText | None = None
    force: bool = False


class PromotionResponse(BaseModel):
    """The folders of the bundle that decided before, which is the shadow now, and of the one that decides."""

    before: str
    bundle: str


def make_shadow_api(controls: OperatorControls, cache: ImageCache) -> APIRouter:
    """Make the route of the parts on which a shadow differs, which everybody at the port may read."""
    views = APIRouter(
        prefix="/api",
        dependencies=[Depends(refuse_body)],
        responses={**READ_RESPONSES, 409: describe_problem("No such camera.")},
    )

    @views.get("/shadow", response_model=DifferenceList)
    def list_differences(camera: Camera = None) -> Response:
        """The last 200 parts on which a camera's shadow differs; empty without a shadow."""
        found = controls.list_differences(camera)
        return Answer({"rows": [_describe(one, image=cache.has(one.record)) for one in found]})

    return views


def make_promotion_api(controls: OperatorControls, run_in_thread: ThreadRunner) -> APIRouter:
    """Make the route by which a shadow takes the place of the bundle in use."""
    ends: Responses = {503: describe_problem("The line ended meanwhile.")}
    commands = APIRouter(prefix="/api", responses={**WRITE_RESPONSES, **ends})

    @commands.post("/promote")
    async def promote_shadow(request: PromotionRequest, by: BySetter) -> PromotionResponse:
        """Let shadow and bundle change places, from the next trigger on; takes seconds.

        The line's configuration file stays as it is: `softcore-edge promote` changes both.
        """

        def promote() -> tuple[Any, Any]:
            return controls.promote_shadow(
                request.camera, by, recipe=request.recipe, bundle=request.bundle, force=request.force
            )

        before, bundle = await run_in_thread(promote)
        return PromotionResponse(before=_escape(before), bundle=_escape(bundle))

    return commands


def _describe(found: Difference, *, image: bool) -> dict[str, Any]:
    """Return the fields of a `DifferenceReport`."""
    record, shadow, opinion = found.record, found.shadow, found.opinion
    exact = opinion.score is not None and opinion.bound == Bound.EXACT and shadow.threshold
    return {
        "number": record.number or 0,
        **describe_record(record),
        "mark": None,
        "picture": image,
        "shadow": {
            "decision": opinion.decision,
            "score": opinion.score,
            "bound": opinion.bound,
            "share": (opinion.score or 0.0) / shadow.threshold if exact else None,
            "threshold": shadow.threshold,
            "fail_above": shadow.fail_above,
            "milliseconds": opinion.milliseconds,
            "reason": opinion.reason,
            "bundle": shadow.bundle,
            "path": _escape(shadow.path),
        },
    }


def _escape(path: object) -> str:
    """Return a path as JSON can hold it: a file's name may hold any byte."""
    return str(path).encode("utf-8", "backslashreplace").decode()
