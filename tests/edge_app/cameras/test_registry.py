from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable, Generator, Iterator
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_edge_app.cameras.camera import CameraKind
from softcore_edge_app.cameras.frame_source import Frame, FrameSource, Recording
from softcore_edge_app.cameras.image_source import ImageSource
from softcore_edge_app.cameras.live_source import LiveSource
from softcore_edge_app.cameras.opencv_camera import OpenCvCamera, VideoSource
from softcore_edge_app.cameras.registry import (
    DEVICE,
    FILE,
    INDEX,
    SCHEMES,
    Scheme,
    make_source,
    register_scheme,
)
from softcore_edge_app.cameras.schemes import make_stream
from softcore_edge_app.configuration.options import CameraOptions, Configuration
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.pipeline.assembly import assemble
from softcore_runtime import Decision, SourceError, UsageError


def choose_camera(text: str) -> FrameSource:
    return make_source(CameraOptions(camera=text))


def choose_source(text: str) -> FrameSource:
    return make_source(CameraOptions(source=text))


def open_with(source: FrameSource) -> OpenCvCamera:
    assert isinstance(source, LiveSource)
    assert isinstance(source.camera, OpenCvCamera)
    return source.camera


@pytest.mark.parametrize(("text", "target"), [("0", 0), ("12", 12), ("/dev/video0", "/dev/video0")])
def test_a_camera_is_an_index_or_a_device(text: str, target: int | str) -> None:
    camera = open_with(choose_camera(text))
    assert camera.target == target
    assert type(camera.target) is type(target)


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
    assert isinstance(choose_source(str(tmp_path)), ImageSource)
    assert isinstance(choose_source(str(tmp_path / "a.JPG")), ImageSource)
    video = choose_source(str(tmp_path / "line.mp4"))
    assert isinstance(video, VideoSource)
    assert video.kind == "video"


@pytest.mark.parametrize("url", ["RTSP://cam:554/1", "https://cam/1", "srt://cam:9000"])
def test_urls_are_streams_of_ffmpeg(url: str) -> None:
    stream = open_with(choose_source(url))
    assert (stream.target, stream.kind, stream.backend) == (url, "stream", cv2.CAP_FFMPEG)


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


def test_messages_hide_passwords() -> None:
    assert open_with(choose_source("rtsp://operator:s3cret@cam/1")).label == "rtsp://cam/1"
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
    choose: Callable[[str], FrameSource], text: str, label: str, kind: str, start: str
) -> None:
    camera = open_with(choose(text))
    assert (camera.label, camera.kind, camera.backend) == (label, kind, cv2.CAP_GSTREAMER)
    assert str(camera.target).startswith(start)


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
    assert isinstance(choose_source(str(tmp_path / "part ! 7")), ImageSource)
    assert isinstance(choose_source("videotestsrc ! identity" + " ! identity" * 50), LiveSource)


@pytest.mark.usefixtures("gstreamer")
@pytest.mark.parametrize("name", SCHEMES)
def test_every_kind_of_source_has_the_protocol(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    named = {INDEX: "0", DEVICE: "/dev/video0", FILE: str(tmp_path), "csi": "csi://0"}
    address = named.get(name, f"{name}://camera/1")
    options = CameraOptions(camera=address) if SCHEMES[name].camera else CameraOptions(source=address)
    source = make_source(options)
    assert isinstance(source, FrameSource)
    assert (source.remark, source.fault, source.newest, source.reopened) == (None, None, None, 0)
    assert source.live is (name != FILE)
    for method in ("close", "follow_white", "leave", "open", "read_frames", "take"):
        expected = list(inspect.signature(getattr(FrameSource, method)).parameters)[1:]
        assert list(inspect.signature(getattr(source, method)).parameters) == expected, method


# --- A kind of one's own ---------------------------------------------------------------------------------


class Counting(Recording):
    """A recording of so many frames."""

    def __init__(self, image: np.ndarray, frames: int) -> None:
        self.image, self.frames = image, frames

    def read_frames(self) -> Generator[Frame, None, None]:
        for number in range(1, self.frames + 1):
            yield Frame(number, f"counting#{number}", image=self.image)


class Gige:
    """A camera whose library is not OpenCV; its own connection, too."""

    label, recording, recorded = "gige 0042", None, False
    kind: CameraKind = "camera"

    def __init__(self, image: np.ndarray) -> None:
        self.images = (np.roll(image, number, 1) for number in count())
        self.opened = 0

    def identify(self) -> str | None:
        return "serial number 0042"

    def connect(self, opening: float, reading: float) -> Gige:  # noqa: ARG002 - it answers at once
        self.opened += 1
        return self

    def read(self) -> np.ndarray | None:
        time.sleep(0.002)
        return next(self.images)

    def release(self) -> None:
        self.opened -= 1


@pytest.fixture
def own_schemes() -> Iterator[None]:
    """Take away the schemes that a test registers."""
    before = dict(SCHEMES)
    yield
    SCHEMES.clear()
    SCHEMES.update(before)


@pytest.mark.usefixtures("own_schemes")
def test_a_line_runs_on_a_kind_of_source_of_ones_own(tiny_bundle: Path, good_frame: np.ndarray) -> None:
    def make(text: str, _options: CameraOptions, _required: bool) -> FrameSource:
        return Counting(good_frame, int(text.removeprefix("counting://")))

    register_scheme("counting", Scheme(make))
    decided: list[PublishedDecision] = []
    station = assemble(Configuration(source="counting://5", bundle=str(tiny_bundle)))
    station.add_listener(decided.append)
    station.start()
    station.wait()
    station.stop()
    assert [one.record.name for one in decided] == [f"counting#{number}" for number in range(1, 6)]
    assert {one.record.decision for one in decided} == {Decision.PASS}


@pytest.mark.usefixtures("own_schemes")
def test_a_line_runs_on_a_live_camera_of_ones_own(tiny_bundle: Path, good_frame: np.ndarray) -> None:
    gige = Gige(good_frame)
    register_scheme("gige", Scheme(lambda *_: LiveSource(gige), camera=True))
    decided: list[PublishedDecision] = []
    options = {"trigger": "external", "deadline": 60.0, "frames": 3}
    station = assemble(Configuration(camera="gige://0042", bundle=str(tiny_bundle), **options))
    station.add_listener(decided.append)
    station.start()
    for number in range(3):
        station.trigger(part=f"part {number}")
    status = station.describe().cameras[0]
    assert status.live
    station.wait()
    station.stop()
    assert [one.record.part for one in decided] == ["part 0", "part 1", "part 2"]
    assert [one.record.name for one in decided] == [f"gige 0042#{number}" for number in range(1, 4)]
    assert all(one.frame and one.frame.image is not None for one in decided)
    assert gige.opened == 0


@pytest.mark.usefixtures("own_schemes")
@pytest.mark.parametrize("name", ["rtsp", INDEX, "Gige", "1", ""])
def test_a_name_that_is_taken_or_no_scheme_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="scheme"):
        register_scheme(name, Scheme(make_stream))
