from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from softcore_edge_app.capture import Capture
from softcore_runtime import SourceError


@pytest.fixture
def video(tmp_path: Path, good_frame: np.ndarray, bad_frame: np.ndarray) -> Path:
    """Six frames of real MJPEG: good and bad in turn."""
    path = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (48, 48))
    for number in range(6):
        writer.write(bad_frame if number % 2 else good_frame)
    writer.release()
    return path


@pytest.fixture
def address(video: Path, good_frame: np.ndarray) -> Iterator[str]:
    """A server of the video file (/line.avi) and of a live MJPEG stream of four frames (/live)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            if self.path == "/line.avi":
                self.send_header("Content-Length", str(video.stat().st_size))
                self.end_headers()
                self.wfile.write(video.read_bytes())
                return
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            jpeg = cv2.imencode(".jpg", good_frame)[1].tobytes()
            for _ in range(4):
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")

        def log_message(self, *_arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class DyingCamera:
    """Stands in for cv2.VideoCapture, since no test machine has a camera to unplug."""

    def __init__(self, frames: int, error: bool = False) -> None:
        self.frames = frames
        self.error = error
        self.settings: dict[int, float] = {}
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def get(self, _property: int) -> float:
        return -1.0

    def set(self, which: int, value: float) -> bool:
        self.settings[which] = value
        return False

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.frames -= 1
        if self.frames >= 0:
            return True, np.zeros((48, 48, 3), np.uint8)
        if self.error:
            raise cv2.error("select() timeout")
        return False, None

    def release(self) -> None:
        self.released = True


def read_until_error(capture: Capture) -> tuple[list[str], str]:
    names = []
    with pytest.raises(SourceError) as caught:  # noqa: PT012 - what came before the error matters
        for frame in capture.read_frames():
            names.append(frame.name)  # noqa: PERF401
    return names, str(caught.value)


def test_a_video_gives_its_frames_in_order(video: Path) -> None:
    capture = Capture(str(video), "line.avi", "video")
    frames = list(capture.read_frames())
    assert [frame.name for frame in frames] == [f"line.avi#{number}" for number in range(1, 7)]
    spots = [int(frame.picture[20:28, 30:38].min()) for frame in frames if frame.picture is not None]
    assert [spot > 200 for spot in spots] == [False, True] * 3
    assert capture.remark is None


def test_a_shortened_video_is_remarked_on(video: Path) -> None:
    data = video.read_bytes()
    frames = [match.start() for match in re.finditer(b"00dc", data[: data.rfind(b"idx1")])]
    video.write_bytes(data[: frames[4]])
    capture = Capture(str(video), "line.avi", "video")
    decoded = len(list(capture.read_frames()))
    assert 0 < decoded <= 4
    assert capture.remark is not None
    assert f"promises 6 frames, {decoded} could be decoded" in capture.remark


def test_no_remark_on_a_video_that_was_left_early(video: Path) -> None:
    capture = Capture(str(video), "line.avi", "video")
    frames = capture.read_frames()
    next(frames)
    frames.close()
    assert capture.remark is None


@pytest.mark.parametrize("content", [b"", b"not a video\n" * 100])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.avi").write_bytes(content)
    names, message = read_until_error(Capture(str(tmp_path / "x.avi"), "x.avi", "video"))
    assert names == []
    assert message.startswith("x.avi: neither a video nor a picture")


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "x.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (48, 48))
    writer.release()
    _, message = read_until_error(Capture(str(tmp_path / "x.avi"), "x.avi", "video"))
    assert message.startswith("x.avi: ")


def test_opened_but_frameless_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", lambda _target: DyingCamera(0))
    assert read_until_error(Capture("x.avi", "x.avi", "video")) == (
        [], "x.avi: the video was opened but gave no frame",
    )  # fmt: skip


@pytest.mark.parametrize("target", [97, 10**14, "/dev/video97"])
def test_an_absent_camera_is_refused(target: int | str) -> None:
    names, message = read_until_error(Capture(target, "camera X", "camera"))
    assert names == []
    assert message.startswith("camera X: ")


@pytest.mark.parametrize("error", [False, True])
def test_a_camera_that_dies_is_an_error_and_is_released(monkeypatch: pytest.MonkeyPatch, error: bool) -> None:
    camera = DyingCamera(3, error)
    monkeypatch.setattr(cv2, "VideoCapture", lambda _target: camera)
    names, message = read_until_error(Capture(0, "camera 0", "camera"))
    assert names == ["camera 0#1", "camera 0#2", "camera 0#3"]
    assert message.startswith("camera 0: the camera")
    assert camera.released


def test_a_camera_gives_its_newest_frame_and_is_released_early(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = DyingCamera(3)
    monkeypatch.setattr(cv2, "VideoCapture", lambda _target: camera)
    frames = Capture(0, "camera 0", "camera").read_frames()
    next(frames)
    assert camera.settings == {cv2.CAP_PROP_BUFFERSIZE: 1}
    assert not camera.released
    frames.close()
    assert camera.released


def test_a_video_over_http_ends_like_a_file(address: str) -> None:
    assert len(list(Capture(f"{address}/line.avi", "line", "stream").read_frames())) == 6


def test_a_live_stream_that_stops_is_an_error(address: str) -> None:
    names, message = read_until_error(Capture(f"{address}/live", "live", "stream"))
    assert names
    assert message == f"live: the stream stopped after frame {len(names)}"


def test_an_address_that_refuses_is_an_error() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    names, message = read_until_error(Capture(f"http://127.0.0.1:{port}/x", "gone", "stream"))
    assert names == []
    assert message.startswith("gone: this stream can't be opened")
