"""Page: the files of the operator's page, and their routes."""

from __future__ import annotations

from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse
from softcore_runtime.web.charting import UPLOT
from starlette.staticfiles import StaticFiles

from softcore_edge_app.web.guard import refuse_body

__all__ = ["PAGE", "PAGE_SOURCES", "add_page"]

PAGE = Path(__file__).with_name("page")
# Of a Content-Security-Policy: its own files, and a report in a frame.
PAGE_SOURCES = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "frame-src 'self'"
)


def add_page(app: FastAPI) -> None:
    """Serve the page at `/`, and its style, scripts and catalogues under `/static/`.

    The charting library is under `/static/uplot/`. They load nothing from elsewhere, and have no inline
    script or style, as `make_app`'s Content-Security-Policy demands.
    """

    @app.get("/", include_in_schema=False, dependencies=[Depends(refuse_body)])
    async def show_page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    app.mount("/static/uplot", StaticFiles(directory=UPLOT))
    app.mount("/static", StaticFiles(directory=PAGE))
