"""Source choice: from `--camera` or `--source` to what gives the frames."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import cv2
from softcore_runtime import UsageError
from softcore_runtime.cli.command_line import find_nearest

from softcore_edge_app.cameras.capture import Capture
from softcore_edge_app.cameras.live_capture import LiveCapture
from softcore_edge_app.cameras.pipelines import (
    build_csi_pipeline,
    complete_pipeline,
    is_pipeline,
    require_gstreamer,
)
from softcore_edge_app.cameras.sources import Images, Source, is_image
from softcore_edge_app.configuration.options import CameraOptions

__all__ = ["choose_camera", "choose_source", "hide_password", "is_address"]

_AS_IT_COMES = CameraOptions()
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def choose_camera(text: str, options: CameraOptions = _AS_IT_COMES, *, required: bool = True) -> Source:
    """Take a camera by its index (`0`), its device (`/dev/video0`), or a pipeline; opens nothing yet.

    Args:
        text: which.
        options: how to treat what is live.
        required: whether it must be there at the start; else it is waited for.

    Raises:
        UsageError: `text` is none of them, a pipeline that this OpenCV can't run, or a property that
            OpenCV doesn't know.
    """
    if pipeline := _choose_pipeline(text, options, required):
        return pipeline
    if text.isdecimal():
        return _follow(int(text), f"camera {int(text)}", "camera", options, required)
    if "/" not in text or _URL.match(text) or Path(text).is_file():
        raise UsageError(
            f"--camera {hide_password(text)}: takes an index (0) or a device (/dev/video0); "
            "files and addresses go to --source"
        )
    return _follow(text, text, "camera", options, required)


def choose_source(text: str, options: CameraOptions = _AS_IT_COMES, *, required: bool = True) -> Source:
    """Take an image, a folder of images, a video file, a URL or a pipeline; reads nothing yet.

    Args:
        text: which.
        options: how to treat what is live.
        required: whether what is live must be there at the start; else it is waited for.

    Raises:
        UsageError: there is nothing at this path, or no file or folder; or a pipeline that this OpenCV
            can't run.
        SourceError: a folder without images.
    """
    if not _is_path(text) and (pipeline := _choose_pipeline(text, options, required)):
        return pipeline
    if _URL.match(text):
        return _follow(text, hide_password(text), "stream", options, required, _find_stream_backend())
    path = Path(text)
    if not text:  # a variable that is not set, in a script; Path would take it for the working folder
        raise UsageError("--source: needs a file, a folder or an address, not ''")
    if path.is_dir():
        return Images(path)
    if path.is_symlink() and not path.exists():
        raise UsageError(f"--source {text}: a dangling symbolic link; there is no {path.readlink()}")
    if not path.exists():
        raise UsageError(f"--source {text}: no such file or folder")
    if not path.is_file():
        raise UsageError(f"--source {text}: neither a file nor a folder; cameras go to --camera")
    return Images(path) if is_image(path) else Capture(text, path.name, "video")


def is_address(text: str) -> bool:
    """Tell whether a source is an address (`rtsp://...`), rather than a path or a pipeline."""
    return bool(_URL.match(text)) and not is_pipeline(text)


def _is_path(text: str) -> bool:
    """Tell whether there is something of this name: a folder's may hold a ` ! ` too."""
    try:
        return Path(text).exists()
    except OSError:  # too long for a name
        return False


def _choose_pipeline(text: str, options: CameraOptions, required: bool) -> Source | None:
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
    return _follow(pipeline, label, kind, options, required, cv2.CAP_GSTREAMER)


def _follow(
    target: int | str,
    label: str,
    kind: str,
    options: CameraOptions,
    required: bool,
    backend: int = cv2.CAP_ANY,
) -> LiveCapture:
    properties = dict(options.properties)
    if options.exposure is not None:
        properties["exposure"] = options.exposure
    return LiveCapture(
        target,
        label,
        kind,
        backend=backend,
        patience=options.patience,
        frozen_after=options.frozen_after,
        latency=options.latency,
        properties={_find_property(name): value for name, value in properties.items()},
        required=required,
    )


def _find_property(name: str) -> int:
    """Give OpenCV's number of a property.

    Raises:
        UsageError: it knows none of that name.
    """
    number = getattr(cv2, f"CAP_PROP_{name.upper()}", None)
    if not isinstance(number, int):
        known = [one.removeprefix("CAP_PROP_").lower() for one in dir(cv2) if one.startswith("CAP_PROP_")]
        near = find_nearest(name, known)
        meant = f"; did you mean {near}?" if near else ""
        raise UsageError(f"properties.{name}: OpenCV knows no such property of a camera{meant}")
    return number


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
