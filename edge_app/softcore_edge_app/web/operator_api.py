"""Operator API: changes of a running line, by who may."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from softcore_edge_app.pipeline.controls import OperatorControls
from softcore_edge_app.web.people.requirement import ByOperator, BySetter, is_machine
from softcore_edge_app.web.schema import (
    WRITE_RESPONSES,
    RequestModel,
    Responses,
    ShortText,
    describe_problem,
)

__all__ = ["ThreadRunner", "make_operator_api", "make_thread_runner"]

_CHANGES = 4  # at once; more wait
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


class TokenResponse(BaseModel):
    """The token is right."""

    ok: bool


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
    async def trigger(by: ByOperator, request: TriggerRequest = _ANY_PART) -> TriggerResponse:
        """Trigger a part; its decision comes as an event, and by every other output.

        A trigger by a person is noted in the ledger, one by a program is not.
        """
        if is_machine(by):
            trigger_id = controls.trigger(request.camera, request.part, "http")
        else:
            trigger_id = await run_in_thread(controls.trigger_by_hand, request.camera, request.part, by)
        return TriggerResponse(trigger=trigger_id)

    @commands.post("/recipe")
    async def switch_recipe(request: RecipeRequest, by: BySetter) -> RecipeResponse:
        """Switch the recipe, from the next trigger on; takes seconds, during which the line goes on."""
        await run_in_thread(controls.switch_recipe, request.recipe, request.camera, by)
        return RecipeResponse(recipe=request.recipe)

    @commands.post("/running")
    async def set_running(request: RunningRequest, by: BySetter) -> RunningResponse:
        """Stop or start a camera; while it is stopped, external triggers are INVALID."""
        await run_in_thread(controls.set_running, request.running, request.camera, by)
        return RunningResponse(running=request.running)

    @commands.post("/token")
    async def check_token(_request: TokenRequest, _by: BySetter) -> TokenResponse:
        """Whether the token is right; changes nothing."""
        return TokenResponse(ok=True)

    return commands
