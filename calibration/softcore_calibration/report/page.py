"""Page: the report on this machine, with a button that sets the threshold."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated

import numpy as np
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field
from softcore_runtime import Inspector
from softcore_runtime.web.local_page import make_app, make_token, open_browser, require_token, serve

from softcore_calibration.calibration import Findings
from softcore_calibration.report.report import content_policy, render_report

__all__ = ["serve_page"]


class _Wanted(BaseModel):
    """A threshold that is asked for."""

    model_config = ConfigDict(extra="forbid")

    value: Annotated[float, Field(gt=0, lt=float(np.finfo(np.float32).max), allow_inf_nan=False, strict=True)]


def serve_page(
    findings: Findings,
    inspector: Inspector,
    use: Callable[[float], Findings],
    say: Callable[[str], None],
) -> None:
    """Serve the report on this machine until Finish is pressed there, or Ctrl-C here.

    Args:
        findings: what was found; its threshold is not in the bundle yet.
        inspector: what scored the images.
        use: is given the threshold that a person has chosen, writes it into the bundle and gives the findings
            with it. One that is just the findings' own stands for that, with its promise and grey zone.
            What it raises of `SoftCoreError` is told on the page. It is called by one thread at a time.
        say: is given lines for the terminal.
    """
    page = _Page(findings, inspector, use, say)
    end = "finished"
    try:
        with serve(_make_app(page), "calibration page") as url:
            say(f"  page       {url} (it ends by Finish on the page, or by Ctrl-C here)")
            open_browser(url)
            page.finished.wait()
    except KeyboardInterrupt:
        end = "ended by Ctrl-C"
    say(
        f"  page       {end}; "
        + (f"the threshold is {page.value:.6g} now" if page.written else "nothing was written")
    )


class _Page:
    """The page of now; who reads it while a threshold is written waits for that."""

    def __init__(
        self,
        findings: Findings,
        inspector: Inspector,
        use: Callable[[float], Findings],
        say: Callable[[str], None],
    ) -> None:
        self.token = make_token()
        self.finished = threading.Event()
        self.written = False
        self._findings, self._inspector, self._use, self._say = findings, inspector, use, say
        self._turn = threading.Lock()
        self._html = render_report(findings, inspector, self.token)

    @property
    def value(self) -> float:
        return self._findings.threshold.value

    def read(self) -> str:
        with self._turn:
            return self._html

    def write(self, value: float) -> float:
        with self._turn:
            self._findings = self._use(value)
            self.written = True
            self._say(
                f"  bundle     {self._findings.path} has the threshold {self.value:.6g} now; --revert goes "
                "back"
            )
            self._html = render_report(self._findings, self._inspector, self.token, written=True)
            return self.value


def _make_app(page: _Page) -> FastAPI:
    """Make the page's server; only who has read the page, on this machine, can change anything."""
    app = make_app(content_policy(served=True))
    write = Depends(require_token(page.token, "this page is of an earlier calibration; reload it"))

    @app.get("/", response_class=HTMLResponse)
    def read() -> str:
        return page.read()

    @app.post("/limit", dependencies=[write])
    def change_threshold(wanted: _Wanted) -> dict[str, float]:
        return {"value": page.write(wanted.value)}

    @app.post("/finish", dependencies=[write], status_code=202)
    def finish() -> dict[str, bool]:
        page.finished.set()
        return {"finished": True}

    return app
