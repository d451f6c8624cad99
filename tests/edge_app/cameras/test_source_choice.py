from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_edge_app.cameras.capture import Capture
from softcore_edge_app.cameras.live_capture import LiveCapture
from softcore_edge_app.cameras.source_choice import choose_camera, choose_source, hide_password
from softcore_edge_app.cameras.sources import Images, Source
from softcore_runtime import SourceError, UsageError


@pytest.mark.parametrize(("text", "target"), [("0", 0), ("12", 12), ("/dev/video0", "/dev/video0")])
def test_a_camera_is_an_index_or_a_device(text: str, target: int | str) -> None:
    camera = choose_camera(text)
    assert isinstance(camera, LiveCapture)
    assert camera._target == target
    assert type(camera._target) is type(target)


@pytest.mark.parametrize("text", ["", "-1", "front", "1.5", "rtsp://cam/1"])
def test_nothing_else_is_a_camera(text: str) -> None:
    with pytest.raises(UsageError, match="--camera"):
        choose_camera(text)


def test_a_file_is_no_camera(tmp_path: Path) -> None:
    (tmp_path / "line.avi").touch()
    with pytest.raises(UsageError, match="--source"):
        choose_camera(str(tmp_path / "line.avi"))


def test_images_folders_videos_and_addresses_are_sources(tmp_path: Path) -> None:
    (tmp_path / "a.JPG").touch()
    (tmp_path / "line.mp4").touch()
    assert isinstance(choose_source(str(tmp_path)), Images)
    assert isinstance(choose_source(str(tmp_path / "a.JPG")), Images)
    video, stream = choose_source(str(tmp_path / "line.mp4")), choose_source("RTSP://cam:554/1")
    assert isinstance(video, Capture)
    assert isinstance(stream, LiveCapture)
    assert (video._kind, stream._kind, stream._backend) == ("video", "stream", cv2.CAP_FFMPEG)


def test_a_path_to_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        choose_source(str(tmp_path / "a.png"))


def test_what_is_neither_file_nor_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        choose_source(str(tmp_path / "pipe"))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="an empty folder, without images"):
        choose_source(str(tmp_path))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://operator:s3cret@10.0.0.5:554/live?x=1", "rtsp://10.0.0.5:554/live?x=1"),
        ("http://operator@cam/", "http://cam/"),
        ("http://a:p@ss@cam/x@y", "http://cam/x@y"),
        ("http://a:secret@[::1/x", "http://[::1/x"),
        ("http://cam/who@where", "http://cam/who@where"),
    ],
)
def test_passwords_are_hidden(url: str, shown: str) -> None:
    assert hide_password(url) == shown
    source = choose_source(url)
    assert isinstance(source, LiveCapture)
    assert (source._target, source.label) == (url, shown)


def test_messages_hide_passwords() -> None:
    with pytest.raises(UsageError) as caught:
        choose_camera("rtsp://operator:s3cret@cam/1")
    assert "s3cret" not in str(caught.value)


def test_choosing_reads_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_text("no image")
    monkeypatch.setattr(np, "frombuffer", None)
    choose_source(str(tmp_path))


@pytest.fixture
def gstreamer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let OpenCV have GStreamer: the packaged one never has."""
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda _backend: True)


@pytest.mark.usefixtures("gstreamer")
@pytest.mark.parametrize("choose", [choose_camera, choose_source])
@pytest.mark.parametrize(
    ("text", "label", "kind", "start"),
    [
        ("csi://0", "csi://0", "camera", "nvarguscamerasrc sensor-id=0 ! "),
        ("CSI://1?width=1280", "csi://1", "camera", "nvarguscamerasrc sensor-id=1 ! "),
        ("gst://videotestsrc", "pipeline videotestsrc", "pipeline", "videotestsrc ! videoconvert ! "),
        ("rtspsrc user-pw=s3cret ! decodebin", "pipeline rtspsrc", "pipeline", "rtspsrc user-pw=s3cret ! "),
    ],
)
def test_pipelines_are_cameras_and_sources(
    choose: Callable[[str], Source], text: str, label: str, kind: str, start: str
) -> None:
    source = choose(text)
    assert isinstance(source, LiveCapture)
    assert (source.label, source._kind, source._backend) == (label, kind, cv2.CAP_GSTREAMER)
    assert str(source._target).startswith(start)


@pytest.mark.parametrize("text", ["csi://0", "gst://videotestsrc", "rtspsrc user-pw=s3cret ! decodebin"])
def test_a_pipeline_without_gstreamer_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda _backend: False)
    with pytest.raises(UsageError, match=r"needs an OpenCV with GStreamer.*Jetson") as caught:
        choose_source(text)
    assert "s3cret" not in str(caught.value)


@pytest.mark.usefixtures("gstreamer")
def test_a_name_is_a_path_before_it_is_a_pipeline(tmp_path: Path) -> None:
    (tmp_path / "part ! 7").mkdir()
    (tmp_path / "part ! 7" / "a.png").touch()
    assert isinstance(choose_source(str(tmp_path / "part ! 7")), Images)
    assert isinstance(choose_source("videotestsrc ! identity" + " ! identity" * 50), LiveCapture)
