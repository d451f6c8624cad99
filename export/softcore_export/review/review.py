"""Review: serves a page on this machine on which a person confirms or vetoes suspects and exports again."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from softcore_runtime.errors import DataError, FrameError, ImageError
from softcore_runtime.images.file_names import to_text
from softcore_runtime.images.windows import Size
from softcore_runtime.language.catalogue import Catalogue, Language, negotiate_language
from softcore_runtime.web.local_page import make_app, open_browser, require_token, serve

from softcore_export.contamination.choices import Choice, choices_path, read_choices
from softcore_export.data.survey import survey
from softcore_export.export import Export, PreparedExport
from softcore_export.report.heat_map import draw_heat
from softcore_export.review.image_card import ImageCard, ImagePage
from softcore_export.review.look_queue import ImageFilter, ImageOrder
from softcore_export.review.outcome import count_noun
from softcore_export.review.region_frames import find_median, read_frame
from softcore_export.review.review_session import LookAgain, ReviewSession
from softcore_export.review.review_state import ReviewState
from softcore_export.windows.drawn_region import DrawnRegion

__all__ = ["review", "review_app"]

_QUALITY = 90  # of JPEG
_PACKAGE = Path(__file__).parents[1]  # the folder of the package's catalogue
_WORDS = ("threshold", "excluded", "rest", "outcome", "region", "estimate")  # of a state
_NEXT = "the next export without --roi and --roi-image"


def _find_catalogue(accept_language: Annotated[str, Header()] = "") -> Catalogue:
    return Catalogue(_PACKAGE, negotiate_language(accept_language))


Spoken = Annotated[Catalogue, Depends(_find_catalogue)]


class RegionEditor(BaseModel):
    """What the editor of the inspected region starts with.

    Attributes:
        region: as it is saved.
        frame: size of the training images, the commonest.
        images: SHA-256 and name of each.
        note: who follows the region, where this review doesn't; else empty.
    """

    region: DrawnRegion
    frame: Size
    images: list[tuple[str, str]]
    note: str


class CommonChoice(BaseModel):
    """The same choice for some images.

    Attributes:
        images: SHA-256 of each.
        choice: of a person; None takes theirs back.
    """

    model_config = ConfigDict(extra="forbid")

    images: list[str]
    choice: Choice | None


def review(
    prepared: PreparedExport,
    target: Path,
    report: Callable[[Export], None],
    say: Callable[[str], None],
    look_again: LookAgain | None = None,
) -> None:
    """Export, then serve the page on this machine until Finish is pressed there, or Ctrl-C here.

    Args:
        prepared: what every export of this review starts from.
        target: the bundle's folder; the choices lie beside it.
        report: called with each finished export.
        say: called with each line for the terminal.
        look_again: prepares an export anew within a region that was drawn; None where a drawn region isn't
            followed, because the command line gives one.

    Raises:
        As `settle`, by the first export; not where choices exclude all images, which the page can change.
    """
    session = ReviewSession(prepared, target, read_choices(choices_path(target)), report, look_again)
    with closing(session):
        _review(session, say)


def _review(session: ReviewSession, say: Callable[[str], None]) -> None:
    target = session.target
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
            session.run_exports()  # in the main thread, which gets Ctrl-C: it stops a running export, too
    except KeyboardInterrupt:
        end = "review ended by Ctrl-C"
        if session.running_since is not None:
            end += f", the running export was dropped and {target} is as it was"
    pending = session.state().pending
    if pending:
        end += f"; {count_noun(pending, 'change')} of choices not in the bundle yet, the next export follows "
        end += str(choices_path(target))
    say(end)
    if not session.follows_region and session.choices.region != session.drawn_at_start:
        say(f"the region that was drawn is followed by {_NEXT}")


def review_app(session: ReviewSession) -> FastAPI:
    """Make the app of the page; only requests with the page's token, from this machine, change anything."""
    app = make_app()
    folder = Path(__file__).parent

    def demand_image(sha256: str) -> None:
        if sha256 not in session.by_digest:
            raise HTTPException(404, "no training image has this content")

    write = Depends(require_token(session.token, "this page is of an earlier review; reload it"))
    image = Depends(demand_image)

    @app.get("/", response_class=HTMLResponse)
    def page(spoken: Spoken, language: Language | None = None) -> str:
        catalogue = Catalogue(_PACKAGE, language) if language else spoken
        return _load_template(catalogue).render(
            texts=_embed(dict(catalogue.texts)),
            token=session.token,
            category=to_text(session.target.name),
            bundle=to_text(str(session.target)),
            choices_file=to_text(str(choices_path(session.target))),
            grid=session.prepared.grid,
            files=sum(len(content.names) for content in session.by_digest.values()),
            contents=len(session.by_digest),
            estimate=session.prepared.estimate.share,
        )

    app.mount("/static", StaticFiles(directory=folder / "page"))

    @app.get("/state")
    def state(spoken: Spoken) -> ReviewState:
        return _say_state(session.state(), spoken)

    @app.get("/images")
    def images(
        spoken: Spoken,
        show: ImageFilter = "worth",
        order: ImageOrder = "worth",
        name: str = "",
        limit: Annotated[int, Query(ge=1)] = 48,
    ) -> ImagePage:
        found = session.find(show, order, name)
        return ImagePage(
            total=len(found), cards=[_say_card(session.card(own), spoken) for own in found[:limit]]
        )

    @app.get("/images/{sha256}", dependencies=[image])
    def card(sha256: str, spoken: Spoken) -> ImageCard:
        return _say_card(session.card(sha256), spoken)

    @app.get("/images/{sha256}/patches", dependencies=[image])
    def patches(sha256: str) -> list[list[float]]:
        suspicion: list[list[float]] = np.nan_to_num(session.patches(sha256)).astype(float).round(3).tolist()
        return suspicion

    @app.get("/images/{sha256}/crop.jpg", dependencies=[image])
    def crop(sha256: str) -> Response:
        return _encode_jpeg(_read_crop(session, sha256))

    @app.get("/images/{sha256}/heat.jpg", dependencies=[image])
    def heat(sha256: str) -> Response:
        seen = _read_crop(session, sha256)
        return _encode_jpeg(draw_heat(seen, session.patches(sha256), session.kept(sha256)))

    @app.put("/choices", dependencies=[write])
    def choose(wanted: CommonChoice, spoken: Spoken) -> list[ImageCard]:
        for sha256 in wanted.images:
            demand_image(sha256)
        choice = wanted.choice
        if choice and choice.patches and choice.grid != session.prepared.grid:
            rows, columns = session.prepared.grid
            raise HTTPException(422, f"patches must be marked on the grid of {rows} x {columns}")
        session.choose(wanted.images, choice)
        return [_say_card(session.card(sha256), spoken) for sha256 in wanted.images]

    @app.get("/images/{sha256}/frame.jpg", dependencies=[image])
    def frame(sha256: str) -> Response:
        return _encode_jpeg(_read_frame(session, sha256))

    @cache  # the same for every region
    def find_median_once() -> Response:
        return _encode_jpeg(find_median(session.prepared))

    @app.get("/median.jpg")
    def median() -> Response:
        return find_median_once()

    @app.get("/region")
    def region(spoken: Spoken) -> RegionEditor:
        editor = _open_editor(session)
        return editor.model_copy(update={"note": spoken.say(editor.note)})

    @app.put("/region", dependencies=[write])
    def draw(region: DrawnRegion, spoken: Spoken) -> ReviewState:
        session.draw(region)
        return _say_state(session.state(), spoken)

    @app.post("/export", dependencies=[write], status_code=202)
    def export_again(spoken: Spoken) -> ReviewState:
        if not session.request("export"):
            raise HTTPException(409, spoken.say("an export is running"))
        return _say_state(session.state(), spoken)

    @app.post("/finish", dependencies=[write], status_code=202)
    def finish(spoken: Spoken) -> ReviewState:
        if not session.request("finish"):
            raise HTTPException(
                409, spoken.say("an export is running; finish when it has ended, or press Ctrl-C")
            )
        return _say_state(session.state(), spoken)

    return app


def _load_template(catalogue: Catalogue) -> Template:
    """Load the page's template in a language."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    catalogue.install(environment)
    environment.filters.update(
        whole=lambda value: catalogue.number(f"{value:,}"),
        fixed=lambda value, digits: catalogue.number(f"{value:.{digits}f}"),
    )
    return environment.from_string((Path(__file__).parent / "review.html.j2").read_text(encoding="utf-8"))


def _embed(texts: dict[str, str]) -> Markup:
    """Encode texts as JSON that can't close its script element."""
    return Markup(json.dumps(texts).replace("<", "\\u003c"))  # noqa: S704 - our own


def _say_state(state: ReviewState, spoken: Catalogue) -> ReviewState:
    """Return a state with its words in a language."""
    return state.model_copy(update={name: spoken.say(getattr(state, name)) for name in _WORDS})


def _say_card(card: ImageCard, spoken: Catalogue) -> ImageCard:
    """Return a card with its words in a language."""
    return card.model_copy(update={"did": spoken.say(card.did)})


def _read_crop(session: ReviewSession, digest: str) -> NDArray[np.uint8]:
    """Read an image as the network's input, uint8 BGR `[crop, crop, 3]`."""
    path = session.prepared.images.paths[session.by_digest[digest].rows[0]]
    try:
        preprocessing = session.prepared.settings.preprocessing
        return preprocessing.apply(preprocessing.read(path))
    except (FrameError, ImageError) as error:
        raise HTTPException(410, to_text(str(error))) from error


def _read_frame(session: ReviewSession, digest: str) -> NDArray[np.uint8]:
    """Read an image whole and aligned, uint8 BGR `[h, w, 3]`."""
    prepared = session.prepared
    try:
        return read_frame(
            prepared.images.paths[session.by_digest[digest].rows[0]], prepared.settings.preprocessing
        )
    except (FrameError, ImageError) as error:
        raise HTTPException(410, to_text(str(error))) from error


def _open_editor(session: ReviewSession) -> RegionEditor:
    images = session.prepared.images
    sizes = survey(images.paths).different
    note = ""
    if not session.follows_region:
        given = session.prepared.settings.windows.name_region()
        begun = f"This review was begun with {given}, which overrules it." if given else ""
        note = f"What is drawn here is followed by {_NEXT}. {begun}".rstrip()
    return RegionEditor(
        region=session.choices.region,
        frame=sizes[0] if sizes else Size(width=1, height=1),
        images=[(digest, to_text(name)) for digest, name in zip(images.digests, images.names, strict=True)],
        note=to_text(note),
    )


def _encode_jpeg(image: NDArray[np.uint8]) -> Response:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    return Response(data, media_type="image/jpeg")
