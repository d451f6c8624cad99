from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_edge_app.cameras.opencv_camera import VideoSource
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


class Broken:
    """Stands in for a cv2.VideoCapture that opens, gives so many frames and then fails."""

    def __init__(self, frames: int, error: bool = False) -> None:
        self.frames = frames
        self.error = error
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def get(self, _property: int) -> float:
        return -1.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.frames -= 1
        if self.frames >= 0:
            return True, np.zeros((48, 48, 3), np.uint8)
        if self.error:
            raise cv2.error("disk error")
        return False, None

    def release(self) -> None:
        self.released = True


def read_until_error(capture: VideoSource) -> tuple[list[str], str]:
    names = []
    with pytest.raises(SourceError) as caught:  # noqa: PT012 - what came before the error matters
        for frame in capture.read_frames():
            names.append(frame.name)  # noqa: PERF401
    return names, str(caught.value)


def test_sixteen_bits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their lower bytes alone would be garbage, and perhaps a PASS."""

    class Deep(Broken):
        def read(self) -> tuple[bool, np.ndarray | None]:
            return True, np.full((48, 48), 300, np.uint16)

    monkeypatch.setattr(cv2, "VideoCapture", lambda *_arguments: Deep(1))
    with pytest.raises(SourceError, match=r"^line: gives images of uint16; choose a format of 8 bits"):
        next(VideoSource("line", "line", "video").read_frames())


def test_a_video_gives_its_frames_in_order(video: Path) -> None:
    capture = VideoSource(str(video), "line.avi", "video")
    frames = list(capture.read_frames())
    assert [frame.name for frame in frames] == [f"line.avi#{number}" for number in range(1, 7)]
    spots = [int(frame.image[20:28, 30:38].min()) for frame in frames if frame.image is not None]
    assert [spot > 200 for spot in spots] == [False, True] * 3
    assert capture.remark is None


def test_a_shortened_video_is_remarked_on(video: Path) -> None:
    data = video.read_bytes()
    frames = [match.start() for match in re.finditer(b"00dc", data[: data.rfind(b"idx1")])]
    video.write_bytes(data[: frames[4]])
    capture = VideoSource(str(video), "line.avi", "video")
    decoded = len(list(capture.read_frames()))
    assert 0 < decoded <= 4
    assert capture.remark is not None
    assert f"promises 6 frames, {decoded} could be decoded" in capture.remark


def test_no_remark_on_a_video_that_was_left_early(video: Path) -> None:
    capture = VideoSource(str(video), "line.avi", "video")
    frames = capture.read_frames()
    next(frames)
    frames.close()
    assert capture.remark is None


@pytest.mark.parametrize("content", [b"", b"not a video\n" * 100])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.avi").write_bytes(content)
    names, message = read_until_error(VideoSource(str(tmp_path / "x.avi"), "x.avi", "video"))
    assert names == []
    assert message.startswith("x.avi: neither a video nor an image")


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "x.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (48, 48))
    writer.release()
    _, message = read_until_error(VideoSource(str(tmp_path / "x.avi"), "x.avi", "video"))
    assert message.startswith("x.avi: ")


def test_opened_but_frameless_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_arguments: Broken(0))
    assert read_until_error(VideoSource("x.avi", "x.avi", "video")) == (
        [], "x.avi: the video was opened but gave no frame",
    )  # fmt: skip


def test_a_video_that_fails_midway_is_an_error_and_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken(3, error=True)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_arguments: broken)
    names, message = read_until_error(VideoSource("x.avi", "x.avi", "video"))
    assert names == ["x.avi#1", "x.avi#2", "x.avi#3"]
    assert message.startswith("x.avi: the video failed")
    assert broken.released


def test_a_video_that_is_left_early_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken(3)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_arguments: broken)
    frames = VideoSource("x.avi", "x.avi", "video").read_frames()
    next(frames)
    assert not broken.released
    frames.close()
    assert broken.released
