"""Schemes: for each kind of address, the function that makes its source; none opens anything yet."""

from __future__ import annotations

from pathlib import Path

import cv2
from softcore_runtime import UsageError
from softcore_runtime.cli.suggestion import find_nearest

from softcore_edge_app.cameras.addresses import find_scheme, hide_password
from softcore_edge_app.cameras.camera import CameraKind
from softcore_edge_app.cameras.frame_source import FrameSource
from softcore_edge_app.cameras.image_source import ImageSource, is_image
from softcore_edge_app.cameras.live_source import LiveSource
from softcore_edge_app.cameras.opencv_camera import OpenCvCamera, VideoSource
from softcore_edge_app.cameras.pipelines import build_csi_pipeline, complete_pipeline, require_gstreamer
from softcore_edge_app.configuration.options import CameraOptions

__all__ = [
    "make_csi_camera",
    "make_device_camera",
    "make_file_source",
    "make_indexed_camera",
    "make_pipeline",
    "make_stream",
]


def make_indexed_camera(text: str, options: CameraOptions, required: bool) -> FrameSource:
    """Make the camera of an index: `0`."""
    return _make_live(int(text), f"camera {int(text)}", "camera", options, required)


def make_device_camera(text: str, options: CameraOptions, required: bool) -> FrameSource:
    """Make the camera of a device: `/dev/video0`.

    Raises:
        UsageError: it is no path of a device.
    """
    if "/" not in text or find_scheme(text) or Path(text).is_file():
        raise UsageError(
            f"--camera {hide_password(text)}: takes an index (0) or a device (/dev/video0); "
            "files and addresses go to --source"
        )
    return _make_live(text, text, "camera", options, required)


def make_csi_camera(text: str, options: CameraOptions, required: bool) -> FrameSource:
    """Make a Jetson's CSI camera: see `build_csi_pipeline`.

    Raises:
        UsageError: it is no such address, or this OpenCV has no GStreamer.
    """
    sensor, pipeline = build_csi_pipeline(text)
    label = f"csi://{sensor}"
    require_gstreamer(label)
    return _make_live(pipeline, label, "camera", options, required, cv2.CAP_GSTREAMER)


def make_pipeline(text: str, options: CameraOptions, required: bool) -> FrameSource:
    """Make a GStreamer pipeline: see `complete_pipeline`.

    Raises:
        UsageError: it is empty, or this OpenCV has no GStreamer.
    """
    pipeline = complete_pipeline(text)
    label = f"pipeline {pipeline.split()[0]}"  # its first element alone: it may hold a password anywhere
    require_gstreamer(label)
    return _make_live(pipeline, label, "pipeline", options, required, cv2.CAP_GSTREAMER)


def make_stream(text: str, options: CameraOptions, required: bool) -> FrameSource:
    """Make a stream: `rtsp://...`, `http://...`, and whatever else FFmpeg reads."""
    # FFmpeg can be told how long to wait for a stream.
    has_ffmpeg = cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG)
    backend = cv2.CAP_FFMPEG if has_ffmpeg else cv2.CAP_ANY
    return _make_live(text, hide_password(text), "stream", options, required, backend)


def make_file_source(text: str, _options: CameraOptions, _required: bool) -> FrameSource:
    """Make the recording of an image, a folder of images or a video file.

    Raises:
        UsageError: there is nothing at this path, or no file or folder.
        SourceError: a folder without images.
    """
    path = Path(text)
    if not text:  # a variable that is not set, in a script; Path would take it for the working folder
        raise UsageError("--source: needs a file, a folder or an address, not ''")
    if path.is_dir():
        return ImageSource(path)
    if path.is_symlink() and not path.exists():
        raise UsageError(f"--source {text}: a dangling symbolic link; there is no {path.readlink()}")
    if not path.exists():
        raise UsageError(f"--source {text}: no such file or folder")
    if not path.is_file():
        raise UsageError(f"--source {text}: neither a file nor a folder; cameras go to --camera")
    return ImageSource(path) if is_image(path) else VideoSource(text, path.name, "video")


def _make_live(
    target: int | str,
    label: str,
    kind: CameraKind,
    options: CameraOptions,
    required: bool,
    backend: int = cv2.CAP_ANY,
) -> LiveSource:
    properties = dict(options.properties)
    if options.exposure is not None:
        properties["exposure"] = options.exposure
    numbered = {_find_property(name): value for name, value in properties.items()}
    return LiveSource(
        OpenCvCamera(target, label, kind, backend=backend, properties=numbered),
        patience=options.patience,
        frozen_after=options.frozen_after,
        latency=options.latency,
        required=required,
    )


def _find_property(name: str) -> int:
    """Return OpenCV's number of a property.

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
