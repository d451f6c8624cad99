"""Operator API: changes of a running line, which need the token, and the preview of a threshold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, HTTPException, Query, Response
from pydantic import BaseModel, Field
from softcore_runtime import UsageError
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.web.local_page import Answer

from softcore_edge_app.pipeline.controls import CameraStatus, OperatorControls
from softcore_edge_app.queries.parts import PartFilter, read_parts
from softcore_edge_app.web.guard import refuse_body
from softcore_edge_app.web.image_cache import ImageCache
from softcore_edge_app.web.ledger_queries import LedgerQueries
from softcore_edge_app.web.part import PartReport, describe_part
from softcore_edge_app.web.preview import preview_threshold
from softcore_edge_app.web.schema import (
    READ_RESPONSES,
    WRITE_RESPONSES,
    Camera,
    Requester,
    RequestModel,
    Responses,
    ShortText,
    describe_problem,
)

__all__ = ["ThreadRunner", "make_operator_api", "make_preview_api", "make_thread_runner"]

_CHANGES = 4  # at once; more wait
_SHOWN = 20  # parts of a preview

# Scores are distances between features; a threshold outside these bounds is a typing error.
_Value = Annotated[float, Field(ge=1e-6, le=1e9, allow_inf_nan=False)]
_Answered = TypeVar("_Answered")
ThreadRunner = Callable[..., Awaitable[Any]]


class TriggerRequest(RequestModel):
    """A trigger: of which camera (if there are several), and the name of the part."""

    camera: ShortText | None = None
    part: ShortText | None = None


_ANY_PART = TriggerRequest()  # of the only camera


class RecipeRequest(RequestModel):
    """The recipe that decides from the next trigger on, on which camera (if there are several)."""

    recipe: ShortText
    camera: ShortText | None = None


class RunningRequest(RequestModel):
    """Whether a camera (which, if there are several) runs."""

    running: bool
    camera: ShortText | None = None


class ThresholdRequest(RequestModel):
    """A threshold for the bundle in use: parts above `value` don't pass, those above `fail_above` fail.

    Without `fail_above` there is no grey zone: what doesn't pass fails.
    """

    value: _Value
    fail_above: _Value | None = None
    camera: ShortText | None = None


class TokenRequest(RequestModel):
    """Nothing: only the token is checked."""


class TriggerResponse(BaseModel):
    """The id of the trigger, which its decision has too."""

    trigger: str


class RecipeResponse(BaseModel):
    """The recipe in use."""

    recipe: str


class RunningResponse(BaseModel):
    """Whether the camera runs."""

    running: bool


class ThresholdValues(BaseModel):
    """A threshold; without a grey zone `fail_above` is the same as `value`."""

    value: float
    fail_above: float


class ThresholdChange(BaseModel):
    """The threshold before and now."""

    old: ThresholdValues
    new: ThresholdValues


class TokenResponse(BaseModel):
    """The token is right."""

    ok: bool


class PreviewReport(BaseModel):
    """What a threshold would have meant for the last parts.

    Their number, the number of those with an exact score, the number with each decision as it was and as it
    would be, and the newest parts whose decision would change.
    """

    parts: int
    known: int
    now: dict[str, int]
    then: dict[str, int]
    changed: list[PartReport]


def make_thread_runner(ended: asyncio.Event) -> ThreadRunner:
    """Make a function that runs another one in a thread; the response is 503 if the line ends meanwhile."""
    limiter = CapacityLimiter(_CHANGES)

    async def run(work: Callable[..., _Answered], *arguments: Any) -> _Answered:
        working = asyncio.ensure_future(
            to_thread.run_sync(partial(work, *arguments), abandon_on_cancel=True, limiter=limiter)
        )
        ending = asyncio.ensure_future(ended.wait())
        try:
            await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise HTTPException(503, "the line ends; whether that was done is not known")
            return await working
        finally:
            working.cancel()
            ending.cancel()

    return run


def make_operator_api(controls: OperatorControls, run_in_thread: ThreadRunner) -> APIRouter:
    """Make the routes that change the line."""
    ends: Responses = {503: describe_problem("The line ended meanwhile.")}
    commands = APIRouter(prefix="/api", responses={**WRITE_RESPONSES, **ends})

    @commands.post("/trigger")
    async def trigger(by: Requester, request: TriggerRequest = _ANY_PART) -> TriggerResponse:
        """Trigger a part; its decision comes as an event, and by every other output.

        A trigger from the page is noted in the ledger, one from a program is not.
        """
        if by == "page":
            trigger_id = await run_in_thread(controls.trigger_by_hand, request.camera, request.part, by)
        else:
            trigger_id = controls.trigger(request.camera, request.part, by)
        return TriggerResponse(trigger=trigger_id)

    @commands.post("/recipe")
    async def switch_recipe(request: RecipeRequest, by: Requester) -> RecipeResponse:
        """Switch the recipe, from the next trigger on; takes seconds, during which the line goes on."""
        await run_in_thread(controls.switch_recipe, request.recipe, request.camera, by)
        return RecipeResponse(recipe=request.recipe)

    @commands.post("/limit")
    async def change_threshold(request: ThresholdRequest, by: Requester) -> ThresholdChange:
        """Set the threshold of the bundle in use, in its manifest; it holds from the next part on."""
        _check_order(request.value, request.fail_above)
        old, new = await run_in_thread(
            controls.change_threshold, request.value, request.fail_above, request.camera, by
        )
        return ThresholdChange(old=_describe(old), new=_describe(new))

    @commands.post("/running")
    async def set_running(request: RunningRequest, by: Requester) -> RunningResponse:
        """Stop or start a camera; while it is stopped, external triggers are INVALID."""
        await run_in_thread(controls.set_running, request.running, request.camera, by)
        return RunningResponse(running=request.running)

    @commands.post("/token")
    async def check_token(_request: TokenRequest) -> TokenResponse:
        """Whether the token is right; changes nothing."""
        return TokenResponse(ok=True)

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
        threshold = Threshold(value=value, fail_above=fail_above, provisional=False, method="tried")
        inspected = PartFilter(camera=chosen.name, category=chosen.category, min_share=0.0)
        found = await queries.run(partial(read_parts, wanted=inspected, count=parts))
        preview = preview_threshold(found.parts, threshold)
        shown = preview.changed[:_SHOWN]
        queries.remember(shown)
        return Answer(
            {
                **vars(preview),
                "changed": [describe_part(part, image=cache.has(part.row.record)) for part in shown],
            }
        )

    return views


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


def _describe(threshold: Threshold) -> ThresholdValues:
    return ThresholdValues(value=threshold.value, fail_above=threshold.upper)
