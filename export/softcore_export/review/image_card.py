"""Image card: what the page shows of an image; files with the same content share one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel

from softcore_export.contamination.choices import Choice
from softcore_export.export import PreparedExport

__all__ = ["AlikeImage", "ImageCard", "ImageContent", "ImagePage", "list_contents"]


class AlikeImage(BaseModel):
    """An image that looks like the one of a card, with the same defect at the same place."""

    sha256: str
    name: str


class ImageCard(BaseModel):
    """An image on the page.

    Attributes:
        sha256: of the file.
        names: of the files, below the training folder.
        suspicion: as a multiple of the threshold.
        did: what the last export did with the image, in words.
        choice: a person's choice.
        pending: whether the bundle was made with another choice, or with none.
        marks: row and column of the marked patches: those chosen, else those above the threshold.
        alike: the images for which this one is shown.
    """

    sha256: str
    names: list[str]
    suspicion: float
    did: str
    choice: Choice | None
    pending: bool
    marks: list[tuple[int, int]]
    alike: list[AlikeImage]


class ImagePage(BaseModel):
    """The first cards, and the number of all that a filter lets through."""

    total: int
    cards: list[ImageCard]


@dataclass(frozen=True)
class ImageContent:
    """A content of image files.

    Attributes:
        rows: of the training images with it, the most suspect first.
        names: of the files, below the training folder.
        suspicion: of the first.
    """

    rows: list[int]
    names: list[str]
    suspicion: float


def list_contents(prepared: PreparedExport) -> dict[str, ImageContent]:
    """List the images by the SHA-256 of their content, the most suspect first."""
    images, rows = prepared.images, dict[str, list[int]]()
    names = {name: [name] for name in images.names}
    for copy in images.copies:
        if copy.alike != "near":  # copies that were not learned themselves
            names.get(copy.original, []).append(copy.path)
    for row in np.argsort(-prepared.estimate.images, kind="stable").tolist():
        rows.setdefault(images.digests[row], []).append(row)
    learned = images.names
    return {
        digest: ImageContent(
            own,
            [name for row in own for name in names[learned[row]]],
            float(prepared.estimate.images[own[0]]),
        )
        for digest, own in rows.items()
    }
