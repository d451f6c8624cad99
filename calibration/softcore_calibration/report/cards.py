"""Cards: draws scored images with their anomaly maps for the report."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime import Inspector, overlay
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.errors import FrameError, ImageError
from softcore_runtime.images.file_names import to_text

from softcore_calibration.data.masks import draw_truth, find_mask
from softcore_calibration.data.scoring import Located, ScoredImage, read_again

__all__ = ["ImageCard", "draw_card", "encode", "find_common_folder", "shorten_name", "shrink"]

_LONGER = 640  # pixels of an image's longer side
_QUALITY = 80  # of JPEG
_CHANGED = 1e-3  # multiples of the threshold: a larger difference of scores isn't rounding


@dataclass(frozen=True)
class ImageCard:
    """An image for the report.

    Attributes:
        name: to show.
        score: its score.
        decision: by the report's threshold.
        image: the image and its anomaly map, as a `data:` URI.
        missing: why there is no `image`; "" if there is one.
        has_truth: whether the defect is outlined as its mask marks it.
    """

    name: str
    score: float
    decision: str
    image: str = ""
    missing: str = ""
    has_truth: bool = False


def draw_card(scored: ScoredImage, name: str, threshold: Threshold, inspector: Inspector) -> ImageCard:
    """Read and inspect an image again, and draw it as decided by `threshold`.

    Args:
        scored: the image.
        name: to show.
        threshold: for the decision; the inspector may have another.
        inspector: the inspector that scored the image.
    """
    card = ImageCard(name, scored.score, str(threshold.decide(scored.score)))
    try:
        frame = read_again(scored, inspector.manifest.preprocessing.white)
        if frame is None:
            return replace(card, missing="no longer there")
        inspection = inspector.inspect(frame)
    except (FrameError, ImageError):
        gone = not scored.path.exists()
        return replace(card, missing="no longer there" if gone else "can no longer be read")
    if abs(inspection.score - scored.score) > _CHANGED * max(threshold.value, scored.score):
        return replace(card, missing="another now than when it was scored")
    # The inspector has the export's threshold, with which the scores were computed; the map shows this one.
    decided = replace(
        inspection,
        score=scored.score,
        decision=threshold.decide(scored.score),
        threshold=threshold.value,
        fail_above=threshold.upper,
    )
    mask = find_mask(scored.path) if scored.defective and scored.name == str(scored.path) else None
    shown = frame if mask is None else draw_truth(frame, mask)
    return replace(card, image=encode(shrink(overlay(shown, decided))), has_truth=mask is not None)


def encode(image: NDArray[np.uint8]) -> str:
    """Encode an image, grey or BGR, as a `data:` URI of a JPEG."""
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    data = cv2.imencode(".jpg", image, options)[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink an image so far that its longer side has at most 640 pixels."""
    height, width = image.shape[:2]
    factor = min(1.0, _LONGER / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def find_common_folder(images: Iterable[Located]) -> str:
    """Find the folder that all images are below; "" if there is none."""
    parents = [str(image.path.parent) for image in images]
    try:
        return to_text(os.path.commonpath(parents)) if parents else ""
    except ValueError:  # absolute and relative paths are mixed
        return ""


def shorten_name(name: str, folder: str) -> str:
    """Shorten an image's name to what is below a folder."""
    return to_text(name).removeprefix(f"{folder}/") if folder else to_text(name)
