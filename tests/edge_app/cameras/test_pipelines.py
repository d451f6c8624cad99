from __future__ import annotations

import cv2
import pytest
from softcore_edge_app.cameras.addresses import is_pipeline
from softcore_edge_app.cameras.pipelines import build_csi_pipeline, complete_pipeline, require_gstreamer
from softcore_runtime import UsageError

NEWEST = "appsink drop=true max-buffers=1 sync=false"


def test_a_csi_camera_has_a_usual_mode() -> None:
    sensor, pipeline = build_csi_pipeline("csi://0")
    assert sensor == 0
    assert pipeline == (
        "nvarguscamerasrc sensor-id=0 ! "
        "video/x-raw(memory:NVMM),width=1920,height=1080,framerate=30/1 ! "
        f"nvvidconv ! video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR ! {NEWEST}"
    )


def test_a_csi_camera_takes_another_mode() -> None:
    sensor, pipeline = build_csi_pipeline("csi://1?width=1280&height=720&fps=60")
    assert sensor == 1
    assert "sensor-id=1 " in pipeline
    assert "width=1280,height=720,framerate=60/1" in pipeline


@pytest.mark.parametrize(
    "address",
    [
        "csi://",
        "csi://front",
        "csi://0/x",
        "csi://0?depth=8",
        "csi://0?fps=",
        "csi://0?fps=29.97",
        "csi://0?width=0",
        "csi://0?width",
        "csi://[::1",
        "csi://0 ! fakesink",
        "csi://0?fps=30 ! fakesink",
    ],
)
def test_what_is_no_csi_camera_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="takes csi://SENSOR"):
        build_csi_pipeline(address)


def test_a_pipeline_is_completed_where_it_has_no_sink() -> None:
    assert complete_pipeline("GST://videotestsrc ").startswith("videotestsrc ! videoconvert ! ")
    assert complete_pipeline("gst://videotestsrc").endswith(NEWEST)
    own = "videotestsrc ! videoconvert ! appsink"
    assert complete_pipeline(own) == own
    with pytest.raises(UsageError, match="needs a pipeline"):
        complete_pipeline("gst:// ")


@pytest.mark.parametrize(
    ("text", "pipeline"),
    [("gst://x", True), ("a ! b", True), ("rtsp://cam/1", False), ("wow!.png", False), ("csi://0", False)],
)
def test_pipelines_are_told_from_other_texts(text: str, pipeline: bool) -> None:
    assert is_pipeline(text) is pipeline


def test_gstreamer_is_required_of_this_very_opencv() -> None:
    """OpenCV's own words on how it was built decide."""
    built = [line.split()[1] for line in cv2.getBuildInformation().splitlines() if "GStreamer:" in line]
    if built == ["YES"]:
        require_gstreamer("csi://0")
    else:
        with pytest.raises(UsageError, match=r"^csi://0: needs an OpenCV with GStreamer"):
            require_gstreamer("csi://0")
