"""Cards: pictures that were scored, drawn again for a person to look at."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime import Inspector, overlay
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.errors import FrameError, PictureError

from softcore_calibration.data.scoring import Scored, read_again

__all__ = ["Card", "draw_card", "encode"]

_LONGER = 640  # pixels of a picture's longer side
_QUALITY = 80  # of JPEG
_CHANGED = 1e-3  # times the limit: a difference of scores that can't be rounding


@dataclass(frozen=True)
class Card:
    """A picture to look at: its map as the text of a `data:` URI, or what is `missing`."""

    name: str
    score: float
    decision: str
    picture: str = ""
    missing: str = ""


def draw_card(scored: Scored, name: str, limit: Threshold, inspector: Inspector) -> Card:
    """Read and inspect a picture again, and draw it as decided by `limit`.

    Args:
        scored: the picture.
        name: to show it under.
        limit: in the units of its score; the inspector may have another.
        inspector: what scored it.
    """
    card = Card(name, scored.score, str(limit.decide(scored.score)))
    try:
        frame = read_again(scored, inspector.manifest.preprocessing.white)
        if frame is None:
            return replace(card, missing="no longer there")
        inspection = inspector.inspect(frame)
    except (FrameError, PictureError):
        gone = not scored.path.exists()
        return replace(card, missing="no longer there" if gone else "can no longer be read")
    if abs(inspection.score - scored.score) > _CHANGED * max(limit.value, scored.score):
        return replace(card, missing="another now than when it was scored")
    # The inspector has the export's limit, under which the scores were made; the map is to show this one.
    decided = replace(
        inspection,
        score=scored.score,
        decision=limit.decide(scored.score),
        threshold=limit.value,
        fail_above=limit.upper,
    )
    return replace(card, picture=encode(_shrink(overlay(frame, decided))))


def encode(picture: NDArray[np.uint8]) -> str:
    """Write a picture, grey or BGR, as the text of a `data:` URI."""
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    data = cv2.imencode(".jpg", picture, options)[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def _shrink(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    factor = min(1.0, _LONGER / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
