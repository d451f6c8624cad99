"""Threshold API: what another threshold would have meant for the last parts, and its change."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field
from softcore_runtime import UsageError
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.web.local_page import Answer

from softcore_edge_app.pipeline.controls import CameraStatus, OperatorControls
from softcore_edge_app.queries.parts import PartFilter, read_parts
from softcore_edge_app.web.guard import refuse_body
from softcore_edge_app.web.image_cache import ImageCache
from softcore_edge_app.web.ledger_queries import LedgerQueries
from softcore_edge_app.web.operator_api import ThreadRunner
from softcore_edge_app.web.part import PartReport, describe_part
from softcore_edge_app.web.people.requirement import BySetter
from softcore_edge_app.web.schema import (
    READ_RESPONSES,
    WHOLE_NUMBER,
    WRITE_RESPONSES,
    Camera,
    Problem,
    RequestModel,
    Responses,
    ShortText,
    describe_problem,
)
from softcore_edge_app.web.threshold.drastic_change import are_alike, describe_rates, is_drastic
from softcore_edge_app.web.threshold.preview import Preview, preview_threshold

__all__ = ["make_preview_api", "make_threshold_api"]

_SHOWN = 20  # parts of a preview
_RECENT = 500  # parts that a change is compared on

_MOST = 10**9
_Counts = dict[str, Annotated[int, Field(ge=0, le=_MOST), WHOLE_NUMBER]]  # by decision

# Scores are distances between features; a threshold outside these bounds is a typing error.
_Value = Annotated[float, Field(ge=1e-6, le=1e9, allow_inf_nan=False)]


class AcceptedRates(RequestModel):
    """The rates that who changes the threshold has seen: `parts`, `now` and `then` of the preview."""

    parts: Annotated[int, Field(ge=1, le=_MOST), WHOLE_NUMBER]
    now: _Counts
    then: _Counts


class ThresholdRequest(RequestModel):
    """A threshold for the bundle in use: parts above `value` don't pass, those above `fail_above` fail.

    Without `fail_above` there is no grey zone: what doesn't pass fails. `accept` is needed where far more or
    far fewer of the recent parts would have failed.
    """

    value: _Value
    fail_above: _Value | None = None
    camera: ShortText | None = None
    accept: AcceptedRates | None = None


class ThresholdValues(BaseModel):
    """A threshold; without a grey zone `fail_above` is the same as `value`."""

    value: float
    fail_above: float


class ThresholdChange(BaseModel):
    """The threshold before and now."""

    old: ThresholdValues
    new: ThresholdValues


class PreviewReport(BaseModel):
    """What a threshold would have meant for the last parts.

    Their number, the number of those with an exact score, these scores, the number with each decision as it
    was and as it would be, the newest parts whose decision would change, and whether so much would change
    that setting the threshold needs `accept`.
    """

    parts: int
    known: int
    scores: list[float]
    now: dict[str, int]
    then: dict[str, int]
    changed: list[PartReport]
    drastic: bool


class DrasticChange(Problem):
    """The change is refused; where it needs `accept`, `rates` is what to send as that."""

    rates: dict[str, Any] | None = None


def make_threshold_api(
    controls: OperatorControls, queries: LedgerQueries, run_in_thread: ThreadRunner
) -> APIRouter:
    """Make the route that sets a threshold."""
    refused: Responses = {
        409: {"model": DrasticChange, "description": "It can't be done as the line is, or needs `accept`."},
        503: describe_problem("The line ended meanwhile."),
    }
    commands = APIRouter(prefix="/api", responses={**WRITE_RESPONSES, **refused})

    @commands.post("/limit", response_model=ThresholdChange)
    async def change_threshold(request: ThresholdRequest, by: BySetter) -> Response:
        """Set the threshold of the bundle in use, in its manifest; it holds from the next part on.

        If far more or far fewer of a camera's last 500 parts would have failed by it, the answer is 409 with
        these `rates`, and the change is made only if they are sent as `accept`.
        """
        _check_order(request.value, request.fail_above)
        chosen = _find_camera(controls, request.camera)
        if queries.ledger is not None:
            threshold = _try(request.value, request.fail_above)
            preview = await _preview(queries, chosen, threshold, _RECENT)
            seen = request.accept
            if is_drastic(preview) and not (seen and are_alike(preview, seen.parts, seen.now, seen.then)):
                rates = {"parts": preview.parts, "now": preview.now, "then": preview.then}
                detail = f"{describe_rates(preview)}; who means it sends these rates as accept"
                return Answer({"detail": detail, "rates": rates}, 409)
        old, new = await run_in_thread(
            controls.change_threshold, request.value, request.fail_above, request.camera, by
        )
        return Answer({"old": _describe(old), "new": _describe(new)})

    return commands


def make_preview_api(controls: OperatorControls, queries: LedgerQueries, cache: ImageCache) -> APIRouter:
    """Make the route that tries a threshold on the parts that were inspected."""
    views = APIRouter(
        prefix="/api",
        dependencies=[Depends(refuse_body)],
        responses={**READ_RESPONSES, 409: describe_problem("No such camera, or no ledger that can be read.")},
    )

    @views.get("/limit/preview", response_model=PreviewReport)
    async def show_preview(
        value: Annotated[_Value, Query()],
        fail_above: Annotated[_Value | None, Query()] = None,
        camera: Camera = None,
        parts: Annotated[int, Query(ge=1, le=5000)] = 500,
    ) -> Response:
        """What a threshold would have meant for a camera's last parts, of the last 50,000 rows at most."""
        chosen = _find_camera(controls, camera)
        _check_order(value, fail_above)
        preview = await _preview(queries, chosen, _try(value, fail_above), parts)
        shown = preview.changed[:_SHOWN]
        queries.remember(shown)
        return Answer(
            {
                **vars(preview),
                "drastic": is_drastic(preview),
                "changed": [describe_part(part, image=cache.has(part.row.record)) for part in shown],
            }
        )

    return views


async def _preview(queries: LedgerQueries, camera: CameraStatus, threshold: Threshold, parts: int) -> Preview:
    inspected = PartFilter(camera=camera.name, category=camera.category, min_share=0.0)
    found = await queries.run(partial(read_parts, wanted=inspected, count=parts))
    return preview_threshold(found.parts, threshold)


def _try(value: float, fail_above: float | None) -> Threshold:
    return Threshold(value=value, fail_above=fail_above, provisional=False, method="tried")


def _check_order(value: float, fail_above: float | None) -> None:
    if fail_above is not None and fail_above < value:
        raise UsageError(f"fail_above ({fail_above:g}) must not be below value ({value:g})")


def _find_camera(controls: OperatorControls, name: str | None) -> CameraStatus:
    cameras = controls.describe().cameras
    if name is None and len(cameras) == 1:
        return cameras[0]
    for camera in cameras:
        if camera.name == name:
            return camera
    named = "name a camera" if name is None else f"no camera {name!r}"
    raise UsageError(f"{named}; there are: {', '.join(camera.name for camera in cameras)}")


def _describe(threshold: Threshold) -> dict[str, float]:
    return {"value": threshold.value, "fail_above": threshold.upper}
