"""Pipelines: GStreamer pipelines as OpenCV takes them, and the one for a Jetson's CSI cameras."""

from __future__ import annotations

import re

import cv2
from softcore_runtime import UsageError

__all__ = ["build_csi_pipeline", "complete_pipeline", "require_gstreamer"]

# The newest frame alone, as fast as it comes: what waits in a pipeline is old when it is inspected.
_SINK = "videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"
_CSI = {"width": 1920, "height": 1080, "fps": 30}  # a mode that Jetson's usual sensors all have


def complete_pipeline(text: str) -> str:
    """Remove `gst://`, and add the sink that OpenCV reads from if there is none.

    Raises:
        UsageError: there is nothing after `gst://`.
    """
    pipeline = re.sub(r"^gst://", "", text, flags=re.IGNORECASE).strip()
    if not pipeline:
        raise UsageError(f"{text}: needs a pipeline, such as gst://videotestsrc")
    return pipeline if re.search(r"\bappsink\b", pipeline) else f"{pipeline} ! {_SINK}"


def build_csi_pipeline(address: str) -> tuple[int, str]:
    """Build the pipeline of a Jetson's CSI camera: `csi://0`, `csi://1?width=1280&height=720&fps=60`.

    Returns:
        The sensor's number, and the pipeline.

    Raises:
        UsageError: it is no such address.
    """
    match = re.fullmatch(r"csi://(\d+)(?:\?(.+))?", address, re.IGNORECASE | re.ASCII)
    settings = [re.fullmatch(r"(\w+)=(\d+)", part, re.ASCII) for part in _split_query(match and match[2])]
    given = {setting[1]: int(setting[2]) for setting in settings if setting}
    if not match or None in settings or not given.keys() <= _CSI.keys() or 0 in given.values():
        raise UsageError(
            f"{address}: takes csi://SENSOR or csi://SENSOR?width=W&height=H&fps=F, in whole numbers"
        )
    mode, sensor = _CSI | given, int(match[1])
    return sensor, (
        f"nvarguscamerasrc sensor-id={sensor} ! video/x-raw(memory:NVMM),width={mode['width']},"
        f"height={mode['height']},framerate={mode['fps']}/1 ! nvvidconv ! video/x-raw,format=BGRx ! {_SINK}"
    )


def require_gstreamer(text: str) -> None:
    """Refuse a pipeline if OpenCV can't run it.

    Args:
        text: the pipeline's name in messages, without secrets.

    Raises:
        UsageError: this OpenCV was built without GStreamer.
    """
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        raise UsageError(
            f"{text}: needs an OpenCV with GStreamer, and this one ({cv2.__version__}) was built without; "
            "on a Jetson, use the system's: remove opencv-python-headless from a virtual environment "
            "that was made with --system-site-packages"
        )


def _split_query(query: str | None) -> list[str]:
    return query.split("&") if query else []
