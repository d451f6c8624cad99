"""Source choice: from `--camera` or `--source` to what gives the frames."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import cv2
from softcore_runtime import UsageError

from softcore_edge_app.frames.capture import Capture
from softcore_edge_app.frames.live_capture import LiveCapture
from softcore_edge_app.frames.pipelines import (
    build_csi_pipeline,
    complete_pipeline,
    is_pipeline,
    require_gstreamer,
)
from softcore_edge_app.frames.sources import Pictures, Source, is_picture

__all__ = ["choose_camera", "choose_source", "hide_password"]

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def choose_camera(text: str) -> Source:
    """Take a camera by its index (`0`), its device (`/dev/video0`), or a pipeline; opens nothing yet.

    Raises:
        UsageError: `text` is none of them, or a pipeline that this OpenCV can't run.
    """
    if pipeline := _choose_pipeline(text):
        return pipeline
    if text.isdecimal():
        return LiveCapture(int(text), f"camera {int(text)}", "camera")
    if "/" not in text or _URL.match(text) or Path(text).is_file():
        raise UsageError(
            f"--camera {hide_password(text)}: takes an index (0) or a device (/dev/video0); "
            "files and addresses go to --source"
        )
    return LiveCapture(text, text, "camera")


def choose_source(text: str) -> Source:
    """Take a picture, a folder of pictures, a video file, a URL or a pipeline; reads nothing yet.

    Raises:
        UsageError: there is nothing at this path, or no file or folder; or a pipeline that this OpenCV
            can't run.
        SourceError: a folder without pictures.
    """
    if not _is_path(text) and (pipeline := _choose_pipeline(text)):
        return pipeline
    if _URL.match(text):
        return LiveCapture(text, hide_password(text), "stream", backend=_find_stream_backend())
    path = Path(text)
    if not text:  # a variable that is not set, in a script; Path would take it for the working folder
        raise UsageError("--source: needs a file, a folder or an address, not ''")
    if path.is_dir():
        return Pictures(path)
    if not path.exists():
        raise UsageError(f"--source {text}: no such file or folder")
    if not path.is_file():
        raise UsageError(f"--source {text}: neither a file nor a folder; cameras go to --camera")
    return Pictures(path) if is_picture(path) else Capture(text, path.name, "video")


def _is_path(text: str) -> bool:
    """Tell whether there is something of this name: a folder's may hold a ` ! ` too."""
    try:
        return Path(text).exists()
    except OSError:  # too long for a name
        return False


def _choose_pipeline(text: str) -> Source | None:
    """Take a CSI camera or a pipeline; None where it is neither."""
    if text.lower().startswith("csi://"):
        sensor, pipeline = build_csi_pipeline(text)
        label, kind = f"csi://{sensor}", "camera"
    elif is_pipeline(text):
        pipeline = complete_pipeline(text)
        # Its first element alone: a pipeline may hold a password anywhere.
        label, kind = f"pipeline {pipeline.split()[0]}", "pipeline"
    else:
        return None
    require_gstreamer(label)
    return LiveCapture(pipeline, label, kind, backend=cv2.CAP_GSTREAMER)


def _find_stream_backend() -> int:
    """Prefer FFmpeg, which can be told how long to wait for a stream."""
    return cv2.CAP_FFMPEG if cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG) else cv2.CAP_ANY


def hide_password(url: str) -> str:
    """Drop user and password from a URL, which must not reach a screen or a log."""
    try:
        authority = urlsplit(url).netloc
    except ValueError:  # malformed, say half an IPv6 address: nothing to take apart
        authority = re.sub(r"^.*?://|/.*$", "", url)
    return url.replace(authority, authority.rpartition("@")[2], 1) if "@" in authority else url
