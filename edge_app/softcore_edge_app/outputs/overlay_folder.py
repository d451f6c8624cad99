"""Overlay folder: an image for each decided frame, named after the frame and its decision."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
from softcore_runtime import InspectionResult, UsageError, overlay
from softcore_runtime.atomic_file import write_atomically

from softcore_edge_app.cameras.frame_source import Frame

__all__ = ["OverlayFolder"]

_LONGEST = 100  # characters of a frame's name in a file's name, which may be 255 bytes


class OverlayFolder:
    """A folder that overlays are written to; made if missing.

    Raises:
        UsageError: it can't be made or written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.saved = 0
        try:
            path.mkdir(parents=True, exist_ok=True)
            probe = path / ".softcore-edge"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UsageError(
                f"--save-overlays {path}: not a folder to write to ({error.strerror})"
            ) from error

    def save(self, frame: Frame, inspection: InspectionResult) -> Path:
        """Draw and write one overlay, `000012_NAME_FAIL.png`.

        Raises:
            OSError: it can't be written; with the file's name. Nothing of it is left.
            ValueError: the frame has no image.
        """
        if frame.image is None:
            raise ValueError(f"frame {frame.number} has no image to draw on")
        parts = [f"{frame.number:06d}", _plain(frame.name), str(inspection.decision)]
        path = self.path / f"{'_'.join(filter(None, parts))}.png"
        # cv2.imwrite would say False, not why, when the disk is full.
        encoded = cv2.imencode(".png", overlay(frame.image, inspection))[1].tobytes()
        write_atomically(path, encoded, durable=False)
        self.saved += 1
        return path


def _plain(name: str) -> str:
    """Keep letters, digits, dots and hyphens, drop the suffix; the number keeps the file's name unique."""
    stem = re.sub(r"\.\w+(#\d+)?$", "", name)
    return re.sub(r"[^A-Za-z0-9.-]+", "_", stem)[-_LONGEST:].strip("._")
