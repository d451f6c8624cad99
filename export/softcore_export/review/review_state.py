"""Review state: the parts of the page that an export or a choice changes, outside the cards."""

from __future__ import annotations

from pydantic import BaseModel

from softcore_export.review.look_queue import ImageFilter

__all__ = ["ReviewState"]


class ReviewState(BaseModel):
    """The parts of the page that an export or a choice changes.

    Attributes:
        threshold, excluded: of the last export, in words.
        cards: number of cards of each filter.
        undecided: number of these that nobody has decided about, where a look is worth it.
        rest: the images that are not worth a look, in words.
        pending: number of choices that aren't in the bundle.
        exports: number of finished exports, the first included.
        running: seconds for which an export has been running; None if none is.
        usual: seconds that the last export took.
        outcome: of the last export, in words.
        failed: whether the last export failed; it then changed nothing.
        region: what is inspected by the choices, or by the command line, in words.
        region_pending: whether the bundle inspects another region, so that the next export looks at the
            images again.
        looks: number of times that the images were looked at; the page's grid is that of the last one.
        looking: whether the running export is looking at the images again.
        estimate: what the choices say of all images, in words; nothing before the first.
    """

    threshold: str
    excluded: str
    cards: dict[ImageFilter, int]
    undecided: int
    rest: str
    pending: int
    exports: int
    running: float | None
    usual: float | None
    outcome: str
    failed: bool
    region: str
    region_pending: bool
    looks: int
    looking: bool
    estimate: str
