"""Review: a page on this machine where a person confirms or vetoes each suspect and exports again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from fastapi import Depends, FastAPI, HTTPException, Query, Response
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray
from softcore_runtime.cli.local_page import make_app, open_browser, require_token, serve
from softcore_runtime.errors import DataError, FrameError, ImageError
from softcore_runtime.images.file_names import to_text

from softcore_export.contamination.choices import Choice, choices_path, read_choices
from softcore_export.export import Export, Prepared
from softcore_export.report.heat_map import heat_image
from softcore_export.review.review_session import Card, Page, Session, Show, State, count

__all__ = ["review", "review_app"]

_QUALITY = 90  # of JPEG


def review(
    prepared: Prepared, target: Path, report: Callable[[Export], None], say: Callable[[str], None]
) -> None:
    """Export, then serve the page on this machine until Finish is pressed there, or Ctrl-C here.

    Args:
        prepared: what every export of this review starts from.
        target: the bundle's folder; the choices lie beside it.
        report: is given each finished export.
        say: is given lines for the terminal.

    Raises:
        As `settle`, of the first export; where choices leave nothing to learn from the page is to mend that.
    """
    session = Session(prepared, target, read_choices(choices_path(target)), report)
    try:
        session.export()
    except DataError as error:
        if not session.choices.images:
            raise
        say(f"warning: {error}; change your choices on the page")
    end = "review finished"
    try:
        with serve(review_app(session), "review page") as url:
            say(f"  review     {url} (it ends by Finish on the page, or by Ctrl-C here)")
            open_browser(url)
            session.work()  # here, for Ctrl-C comes to the main thread: it stops a running export, too
    except KeyboardInterrupt:
        end = "review ended by Ctrl-C"
        if session.running_since is not None:
            end += f", the running export was dropped and {target} is as it was"
    pending = session.state().pending
    if pending:
        end += f"; {count(pending, 'change')} of choices not in the bundle yet, the next export follows "
        end += str(choices_path(target))
    say(end)


def review_app(session: Session) -> FastAPI:
    """Make the page's server; only who has read the page, on this machine, can change anything."""
    app = make_app()
    folder = Path(__file__).parent
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string((folder / "review.html.j2").read_text(encoding="utf-8"))

    def demand_image(sha256: str) -> None:
        if sha256 not in session.subjects:
            raise HTTPException(404, "no training image has this content")

    write = Depends(require_token(session.token, "this page is of an earlier review; reload it"))
    image = Depends(demand_image)

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        return template.render(
            token=session.token,
            category=to_text(session.target.name),
            bundle=to_text(str(session.target)),
            choices_file=to_text(str(choices_path(session.target))),
            grid=session.prepared.grid,
            files=sum(len(subject.names) for subject in session.subjects.values()),
            contents=len(session.subjects),
            estimate=session.prepared.estimate.share,
        )

    @app.get("/review.{kind}")
    def asset(kind: Literal["css", "js"]) -> FileResponse:
        return FileResponse(folder / f"review.{kind}")

    @app.get("/state")
    def state() -> State:
        return session.state()

    @app.get("/images")
    def images(
        show: Show = "suspects",
        name: str = "",
        limit: Annotated[int, Query(ge=1)] = 48,
    ) -> Page:
        found = session.find(show, name)
        return Page(total=len(found), cards=[session.card(own) for own in found[:limit]])

    @app.get("/images/{sha256}", dependencies=[image])
    def card(sha256: str) -> Card:
        return session.card(sha256)

    @app.get("/images/{sha256}/patches", dependencies=[image])
    def patches(sha256: str) -> list[list[float]]:
        suspicion: list[list[float]] = np.nan_to_num(session.patches(sha256)).astype(float).round(3).tolist()
        return suspicion

    @app.get("/images/{sha256}/crop.jpg", dependencies=[image])
    def crop(sha256: str) -> Response:
        return _jpeg(_read_crop(session, sha256))

    @app.get("/images/{sha256}/heat.jpg", dependencies=[image])
    def heat(sha256: str) -> Response:
        seen = _read_crop(session, sha256)
        return _jpeg(heat_image(seen, session.patches(sha256), session.kept(sha256)))

    @app.put("/choices/{sha256}", dependencies=[write, image])
    def choose(sha256: str, choice: Choice) -> Card:
        if choice.patches and choice.grid != session.prepared.grid:
            rows, columns = session.prepared.grid
            raise HTTPException(422, f"patches must be marked on the grid of {rows} x {columns}")
        session.choose(sha256, choice)
        return session.card(sha256)

    @app.delete("/choices/{sha256}", dependencies=[write, image])
    def take_back(sha256: str) -> Card:
        session.choose(sha256, None)
        return session.card(sha256)

    @app.post("/export", dependencies=[write], status_code=202)
    def export_again() -> State:
        if not session.ask("export"):
            raise HTTPException(409, "an export is running")
        return session.state()

    @app.post("/finish", dependencies=[write], status_code=202)
    def finish() -> State:
        if not session.ask("finish"):
            raise HTTPException(409, "an export is running; finish when it has ended, or press Ctrl-C")
        return session.state()

    return app


def _read_crop(session: Session, digest: str) -> NDArray[np.uint8]:
    """Read an image as the network sees it, uint8 BGR `[crop, crop, 3]`."""
    path = session.prepared.images.read[session.subjects[digest].rows[0]]
    try:
        preprocessing = session.prepared.settings.preprocessing
        return preprocessing.apply(preprocessing.read(path))
    except (FrameError, ImageError) as error:
        raise HTTPException(410, to_text(str(error))) from error


def _jpeg(image: NDArray[np.uint8]) -> Response:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    return Response(data, media_type="image/jpeg")
