"""Review: a page on this machine where a person confirms or vetoes each suspect and exports again."""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray
from pydantic import BaseModel
from softcore_runtime.errors import DataError, FrameError, PictureError, SoftCoreError, UsageError
from softcore_runtime.pictures import read_picture
from starlette.middleware.base import RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware

from softcore_export.choices import Choice, Choices, choices_path, read_choices, write_choices
from softcore_export.export import Export, Prepared, build
from softcore_export.report import heat_picture

__all__ = ["Session", "review", "review_app"]

Show = Literal["suspects", "all", "chosen"]

_HEADERS = {
    # A frame could lend the buttons to another site's clicks; nothing may come from elsewhere, or go there.
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_QUALITY = 90  # of JPEG


class Card(BaseModel):
    """A picture on the page; files with the same content share one, most suspect first.

    Attributes:
        sha256: of the file.
        names: of the files, below the training folder.
        suspicion: times the limit.
        did: what the last export did, in words.
        choice: a person's.
        pending: the bundle was made with another choice, or with none.
        marks: row and column of the patches that are marked: chosen, else above the limit.
    """

    sha256: str
    names: list[str]
    suspicion: float
    did: str
    choice: Choice | None
    pending: bool
    marks: list[tuple[int, int]]


class Page(BaseModel):
    """The first cards, of so many."""

    total: int
    cards: list[Card]


class State(BaseModel):
    """What of the page an export or a choice changes; texts are ready to be read.

    Attributes:
        limit, excluded: by the last export.
        cards: how many each filter shows.
        pending: how many choices aren't in the bundle.
        exports: how many have been finished, the first included.
        running: an export is, for so many seconds; None where none is.
        usual: seconds that the last one took.
        outcome: of the last one; `failed`, where it changed nothing.
    """

    limit: str
    excluded: str
    cards: dict[Show, int]
    pending: int
    exports: int
    running: float | None
    usual: float | None
    outcome: str
    failed: bool


@dataclass(frozen=True)
class _Subject:
    """A picture by its content: the rows of its files, the most suspect first."""

    rows: list[int]
    names: list[str]
    suspicion: float


class Session:
    """One review: the choices so far, and the last export made with them.

    Whoever serves the page asks for exports from its threads; `work` does them, in its caller's.
    """

    def __init__(
        self, prepared: Prepared, target: Path, choices: Choices, report: Callable[[Export], None]
    ) -> None:
        self.prepared, self.target, self.choices = prepared, target, choices
        self.token = secrets.token_urlsafe(32)
        self.done: Export | None = None
        self.exports = 0
        self.running_since: float | None = None
        self.usual: float | None = None
        self.outcome, self.failed = "", False
        self._exported = Choices()  # what is in the bundle
        self._report = report
        self._lock = threading.Lock()
        self._orders: queue.SimpleQueue[Literal["export", "finish"]] = queue.SimpleQueue()
        pictures, rows = prepared.pictures, dict[str, list[int]]()
        for row in np.argsort(-prepared.judgement.pictures, kind="stable").tolist():
            rows.setdefault(pictures.digests[row], []).append(row)
        names = [_text(path.relative_to(pictures.folder).as_posix()) for path in pictures.read]
        self.subjects = {
            digest: _Subject(own, [names[row] for row in own], float(prepared.judgement.pictures[own[0]]))
            for digest, own in rows.items()
        }

    def export(self) -> None:
        """Build the bundle with the choices as they are now.

        Raises:
            As `build`. The old bundle and the choices are as they were, and the page tells of it.
        """
        choices, before = self.choices, self.done
        self.running_since = start = time.monotonic()
        try:
            done = build(self.prepared, self.target, choices)
        except Exception as error:
            told = str(error) if isinstance(error, SoftCoreError) else f"{type(error).__name__}: {error}"
            self.outcome, self.failed = _text(" ".join(told.split())), True
            self.running_since = None
            raise
        self.done, self._exported = done, choices
        self.usual = time.monotonic() - start
        self.outcome, self.failed = _compare(before, done, self.usual), False
        self.exports += 1
        self.running_since = None  # not after Ctrl-C, which ends all
        self._report(done)

    def work(self) -> None:
        """Export whenever that is asked for, until the end is; a failure goes to the page."""
        while self._orders.get() == "export":
            with contextlib.suppress(Exception):  # the choices must outlive even a fault of ours
                self.export()

    def ask(self, order: Literal["export", "finish"]) -> bool:
        """Ask `work` for an export or the end; False while an export is running."""
        with self._lock:
            if self.running_since is not None:
                return False
            if order == "export":
                self.running_since = time.monotonic()
            self._orders.put(order)
        return True

    def choose(self, digest: str, choice: Choice | None) -> None:
        """Save a choice, or take it back.

        Raises:
            UsageError: it can't be written; what was chosen before stays.
        """
        with self._lock:
            pictures = {key: old for key, old in self.choices.pictures.items() if key != digest}
            if choice:
                pictures[digest] = choice
            choices = Choices(pictures=pictures)
            write_choices(choices_path(self.target), choices)
            self.choices = choices

    def pending(self, digest: str) -> bool:
        """Tell whether the bundle was made with another choice of this picture, or with none."""
        return self.choices.pictures.get(digest) != self._exported.pictures.get(digest)

    def patches(self, digest: str) -> NDArray[np.float32]:
        """Give the suspicion of each patch, float32 `[H, W]`."""
        rows = self.subjects[digest].rows
        patches: NDArray[np.float32] = self.prepared.judgement.patches[rows].max(axis=0)
        return patches.reshape(self.prepared.grid)

    def kept(self, digest: str) -> NDArray[np.bool_]:
        """Say which patches the last export kept, bool `[H, W]`; all, before the first."""
        if self.done is None:
            return np.ones(self.prepared.grid, np.bool_)
        return np.asarray(self.done.kept[self.subjects[digest].rows].all(axis=0)).reshape(self.prepared.grid)

    def find(self, show: Show, name: str = "") -> list[str]:
        """Name the contents that a filter lets through, the most suspect first."""
        passes: dict[Show, Callable[[str], bool]] = {
            "suspects": lambda digest: self.subjects[digest].suspicion > 1,
            "all": lambda _: True,
            "chosen": self.choices.pictures.__contains__,
        }
        wanted = name.strip().casefold()
        return [
            digest
            for digest, subject in self.subjects.items()
            if passes[show](digest) and any(wanted in own.casefold() for own in subject.names)
        ]

    def card(self, digest: str) -> Card:
        """Tell of one content."""
        subject, choice = self.subjects[digest], self.choices.pictures.get(digest)
        marked = choice and choice.action == "exclude patches"
        marks = ~choice.kept(self.prepared.grid) if choice and marked else self.patches(digest) > 1
        return Card(
            sha256=digest,
            names=subject.names,
            suspicion=subject.suspicion,
            did=_tell_kept(self.kept(digest)) if self.done else "none yet",
            choice=choice,
            pending=self.pending(digest),
            marks=[(int(row), int(column)) for row, column in np.argwhere(marks)],
        )

    def state(self) -> State:
        """Tell of the rest."""
        since, done = self.running_since, self.done
        return State(
            limit=f"{done.manifest.threshold.value:.4g}" if done else "none yet",
            excluded=_tell_excluded(done.kept) if done else "nothing yet",
            cards={show: len(self.find(show)) for show in ("suspects", "all", "chosen")},
            pending=sum(map(self.pending, self.subjects)),
            exports=self.exports,
            running=None if since is None else time.monotonic() - since,
            usual=self.usual,
            outcome=self.outcome,
            failed=self.failed,
        )


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
        As `build`, of the first export; where choices leave nothing to learn from the page is to mend that.
    """
    session = Session(prepared, target, read_choices(choices_path(target)), report)
    try:
        session.export()
    except DataError as error:
        if not session.choices.pictures:
            raise
        say(f"warning: {error}; change your choices on the page")
    end = "review finished"
    try:
        with _serve(review_app(session)) as url:
            say(f"  review     {url} (it ends by Finish on the page, or by Ctrl-C here)")
            _open_browser(url)
            session.work()  # here, for Ctrl-C comes to the main thread: it stops a running export, too
    except KeyboardInterrupt:
        end = "review ended by Ctrl-C"
        if session.running_since is not None:
            end += f", the running export was dropped and {target} is as it was"
    pending = session.state().pending
    if pending:
        end += f"; {_count(pending, 'change')} of choices not in the bundle yet, the next export follows "
        end += str(choices_path(target))
    say(end)


def review_app(session: Session) -> FastAPI:
    """Make the page's server; only who has read the page, on this machine, can change anything."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    folder = Path(__file__).parent
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string((folder / "review.html.j2").read_text(encoding="utf-8"))

    def demand_token(x_softcore_token: Annotated[str, Header()] = "") -> None:
        if not secrets.compare_digest(x_softcore_token.encode(), session.token.encode()):
            raise HTTPException(403, "this page is of an earlier review; reload it")

    def demand_picture(sha256: str) -> None:
        if sha256 not in session.subjects:
            raise HTTPException(404, "no training picture has this content")

    write, picture = Depends(demand_token), Depends(demand_picture)

    @app.middleware("http")
    async def add_headers(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers.update(_HEADERS)
        return response

    # The last added is the first asked. Another host's name here is a page elsewhere that rebound its DNS.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])

    @app.exception_handler(RequestValidationError)
    def refuse(_request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": str(error.errors()[0]["msg"])}, 422)

    @app.exception_handler(UsageError)
    def fail(_request: Request, error: UsageError) -> JSONResponse:
        return JSONResponse({"detail": _text(str(error))}, 500)

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        return template.render(
            token=session.token,
            category=_text(session.target.name),
            bundle=_text(str(session.target)),
            choices_file=_text(str(choices_path(session.target))),
            grid=session.prepared.grid,
            files=len(session.prepared.pictures.read),
            contents=len(session.subjects),
            estimate=session.prepared.judgement.estimate,
        )

    @app.get("/review.{kind}")
    def asset(kind: Literal["css", "js"]) -> FileResponse:
        return FileResponse(folder / f"review.{kind}")

    @app.get("/state")
    def state() -> State:
        return session.state()

    @app.get("/pictures")
    def pictures(
        show: Show = "suspects",
        name: str = "",
        limit: Annotated[int, Query(ge=1)] = 48,
    ) -> Page:
        found = session.find(show, name)
        return Page(total=len(found), cards=[session.card(own) for own in found[:limit]])

    @app.get("/pictures/{sha256}", dependencies=[picture])
    def card(sha256: str) -> Card:
        return session.card(sha256)

    @app.get("/pictures/{sha256}/patches", dependencies=[picture])
    def patches(sha256: str) -> list[list[float]]:
        suspicion: list[list[float]] = np.nan_to_num(session.patches(sha256)).astype(float).round(3).tolist()
        return suspicion

    @app.get("/pictures/{sha256}/crop.jpg", dependencies=[picture])
    def crop(sha256: str) -> Response:
        return _jpeg(_read_crop(session, sha256))

    @app.get("/pictures/{sha256}/heat.jpg", dependencies=[picture])
    def heat(sha256: str) -> Response:
        seen = _read_crop(session, sha256)
        return _jpeg(heat_picture(seen, session.patches(sha256), session.kept(sha256)))

    @app.put("/choices/{sha256}", dependencies=[write, picture])
    def choose(sha256: str, choice: Choice) -> Card:
        if choice.patches and choice.grid != session.prepared.grid:
            rows, columns = session.prepared.grid
            raise HTTPException(422, f"patches must be marked on the grid of {rows} x {columns}")
        session.choose(sha256, choice)
        return session.card(sha256)

    @app.delete("/choices/{sha256}", dependencies=[write, picture])
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


@contextlib.contextmanager
def _serve(app: FastAPI) -> Iterator[str]:
    """Serve on a free port of this machine, for it alone; gives the page's address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="review page", daemon=True
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.start()  # what is asked before it has started waits in the listener
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join()


def _open_browser(url: str) -> None:
    # Without a screen Python would run a browser for terminals, in this one.
    if sys.platform != "linux" or {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"} & set(os.environ):
        threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()


def _read_crop(session: Session, digest: str) -> NDArray[np.uint8]:
    """Read a picture as the network sees it, uint8 BGR `[crop, crop, 3]`."""
    path = session.prepared.pictures.read[session.subjects[digest].rows[0]]
    try:
        return session.prepared.settings.preprocessing.apply(read_picture(path))
    except (FrameError, PictureError) as error:
        raise HTTPException(410, _text(str(error))) from error


def _jpeg(picture: NDArray[np.uint8]) -> Response:
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    return Response(data, media_type="image/jpeg")


def _tell_kept(kept: NDArray[np.bool_]) -> str:
    if kept.all():
        return "used all of it"
    return f"excluded {(~kept).sum():,} of its {kept.size:,} patches" if kept.any() else "excluded all of it"


def _tell_excluded(kept: NDArray[np.bool_]) -> str:
    """Say what of the pictures is excluded, kept being bool `[N, P]`."""
    whole = ~kept.any(axis=1)
    partly = ~kept.all(axis=1) & ~whole
    told = [_count(int(whole.sum()), "picture")] if whole.any() else []
    if partly.any():
        more = "more" if told else "pictures" if partly.sum() > 1 else "picture"
        told.append(f"{_count(int((~kept[partly]).sum()), 'patch', 'patches')} of {partly.sum():,} {more}")
    return " and ".join(told) or "nothing"


def _compare(before: Export | None, after: Export, seconds: float) -> str:
    """Say what an export changed."""
    limit, excluded = after.manifest.threshold.value, _tell_excluded(after.kept)
    told = f"Exported in {seconds:.1f} s. "
    if before is None:
        return told + f"Decision limit {limit:.4g}. Excluded: {excluded}."
    old = before.manifest.threshold.value
    was = _tell_excluded(before.kept)
    told += f"Decision limit {old:.4g} → {limit:.4g}. "
    return told + f"Excluded now: {excluded}" + (f" (before: {was})." if was != excluded else ", as before.")


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _text(name: str) -> str:
    """Make text of a file's name, which may be none."""
    return name.encode("utf-8", "replace").decode()
