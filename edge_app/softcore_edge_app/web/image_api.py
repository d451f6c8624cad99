"""Image API: the images of parts, and a camera's newest one."""

from __future__ import annotations

from typing import Annotated

import cv2
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, HTTPException, Path, Response
from pydantic import BaseModel
from softcore_runtime.bundle.training import measure_image_statistics

from softcore_edge_app.pipeline.controls import OperatorControls
from softcore_edge_app.web.guard import refuse_body
from softcore_edge_app.web.image_cache import ImageCache, ImageKind, NoImageError, shrink
from softcore_edge_app.web.ledger_queries import LedgerQueries
from softcore_edge_app.web.schema import READ_RESPONSES, Camera, Responses, ShortText, describe_problem

__all__ = ["make_image_api"]

_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_LONGEST = 1280  # pixels of the image for the focus help, which needs fine detail
_IMAGES: Responses = {200: {"content": {"image/jpeg": {}, "image/png": {}}}}
_SHARPNESS = 2  # its column in the image statistics


class Focus(BaseModel):
    """The sharpness of a camera's newest image, null without one, and of the training images."""

    sharpness: float | None
    lowest: float
    typical: float


def make_image_api(cache: ImageCache, queries: LedgerQueries, controls: OperatorControls) -> APIRouter:
    """Make the routes of images, which everybody who reaches the port may see."""
    views = APIRouter(prefix="/api", dependencies=[Depends(refuse_body)], responses=READ_RESPONSES)
    # One at a time: the inspection needs the processors.
    limiter = CapacityLimiter(1)

    @views.get(
        "/pictures/{trigger}/{kind}",
        responses={**_IMAGES, 404: describe_problem("There is no such image, and why.")},
        response_class=Response,
    )
    async def give_image(trigger: Annotated[ShortText, Path()], kind: ImageKind) -> Response:
        """A part's `frame` as PNG, its `overlay` (outlined), `map`, `thumbnail` or `peak` as JPEG.

        `peak` shows the surroundings of the highest score, at the part's `x` and `y`, enlarged.

        The images of the last 50 parts are in memory, others in the archive, as far as it keeps them.
        """
        drawn = cache.get_drawn(trigger, kind)
        try:
            if drawn is None:
                drawn = await to_thread.run_sync(cache.draw, trigger, kind, limiter=limiter)
            if drawn is None:
                part = await queries.find_part(trigger) if queries.ledger else None
                if part is None:
                    raise NoImageError("no such part is known (any more)")
                drawn = await to_thread.run_sync(cache.draw_archived, part.row.record, kind, limiter=limiter)
        except NoImageError as error:
            raise HTTPException(404, str(error)) from None
        return Response(drawn, media_type=f"image/{'png' if kind == 'frame' else 'jpeg'}", headers=_FOREVER)

    @views.get("/focus", responses={409: describe_problem("No such camera.")})
    def measure_focus(camera: Camera = None) -> Focus:
        """The sharpness of a camera's newest image, decided on or not, to focus its lens by."""
        view = controls.view(camera)
        of_training = sorted(view.image_statistics[:, _SHARPNESS].tolist())
        now = None if view.image is None else float(measure_image_statistics(view.image)[_SHARPNESS])
        return Focus(sharpness=now, lowest=of_training[0], typical=of_training[len(of_training) // 2])

    @views.get(
        "/focus/picture",
        responses={
            200: {"content": {"image/jpeg": {}}},
            404: describe_problem("It has given no image."),
            409: describe_problem("No such camera."),
        },
        response_class=Response,
    )
    async def give_newest(camera: Camera = None) -> Response:
        """A camera's newest image as JPEG."""
        image = controls.view(camera).image
        if image is None:
            raise HTTPException(404, "the camera has given no image yet")

        def draw() -> bytes:
            return cv2.imencode(".jpg", shrink(image, _LONGEST))[1].tobytes()

        return Response(await to_thread.run_sync(draw, limiter=limiter), media_type="image/jpeg")

    return views
