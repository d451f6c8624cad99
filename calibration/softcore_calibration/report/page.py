"""Page: serves the report on this machine, with a button that sets the threshold."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated

import numpy as np
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field
from softcore_runtime import Inspector
from softcore_runtime.language.catalogue import Language
from softcore_runtime.web.local_page import make_app, make_token, open_browser, require_token, serve

from softcore_calibration.calibration import CalibrationResult
from softcore_calibration.report.report import content_policy, render_report

__all__ = ["serve_page"]


class _ThresholdRequest(BaseModel):
    """The body of a request that sets the threshold."""

    model_config = ConfigDict(extra="forbid")

    value: Annotated[float, Field(gt=0, lt=float(np.finfo(np.float32).max), allow_inf_nan=False, strict=True)]


def serve_page(
    result: CalibrationResult,
    inspector: Inspector,
    use: Callable[[float], CalibrationResult],
    say: Callable[[str], None],
    language: Language = "en",
) -> None:
    """Serve the report on this machine until Finish is pressed there, or Ctrl-C here.

    Args:
        result: the calibration's result; its threshold is not in the bundle yet.
        inspector: the inspector that scored the images.
        use: called with the threshold that a person has chosen; writes it into the bundle and returns the
            result with it. The result's own value stands for its threshold with promise and grey zone. A
            `SoftCoreError` is shown on the page. Called by one thread at a time.
        say: called with each line for the terminal.
        language: of the page.
    """
    page = _Page(result, inspector, use, say, language)
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
    """The current page; a reader waits while a threshold is being written."""

    def __init__(
        self,
        result: CalibrationResult,
        inspector: Inspector,
        use: Callable[[float], CalibrationResult],
        say: Callable[[str], None],
        language: Language,
    ) -> None:
        self.token = make_token()
        self.finished = threading.Event()
        self.written = False
        self._result, self._inspector, self._use, self._say = result, inspector, use, say
        self._language = language
        self._lock = threading.Lock()
        self._html = render_report(result, inspector, self.token, language=language)

    @property
    def value(self) -> float:
        return self._result.threshold.value

    def read(self) -> str:
        with self._lock:
            return self._html

    def write(self, value: float) -> float:
        with self._lock:
            self._result = self._use(value)
            self.written = True
            self._say(
                f"  bundle     {self._result.path} has the threshold {self.value:.6g} now; --revert goes back"
            )
            self._html = render_report(
                self._result, self._inspector, self.token, written=True, language=self._language
            )
            return self.value


def _make_app(page: _Page) -> FastAPI:
    """Make the app of the page; only requests with the page's token, from this machine, change anything."""
    app = make_app(content_policy(served=True))
    write = Depends(require_token(page.token, "this page is of an earlier calibration; reload it"))

    @app.get("/", response_class=HTMLResponse)
    def read() -> str:
        return page.read()

    @app.post("/limit", dependencies=[write])
    def change_threshold(wanted: _ThresholdRequest) -> dict[str, float]:
        return {"value": page.write(wanted.value)}

    @app.post("/finish", dependencies=[write], status_code=202)
    def finish() -> dict[str, bool]:
        page.finished.set()
        return {"finished": True}

    return app
