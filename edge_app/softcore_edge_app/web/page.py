"""Page: the operator's page, its files and where they are served."""

from __future__ import annotations

from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

from softcore_edge_app.web.guard import refuse_body

__all__ = ["PAGE", "add_page"]

PAGE = Path(__file__).with_name("page")


def add_page(app: FastAPI) -> None:
    """Serve the page at `/`, and its style, scripts and catalogues under `/static/`.

    They need nothing but the app's own address, no network and no inline script or style: `make_app`'s
    Content-Security-Policy holds.
    """

    @app.get("/", include_in_schema=False, dependencies=[Depends(refuse_body)])
    async def show_page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    app.mount("/static", StaticFiles(directory=PAGE))
